package main

import (
	"crypto/tls"
	"crypto/x509"
	"os"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
)

// With BASCULE_CERT and BASCULE_KEY, files in PEM, the server speaks TLS; with BASCULE_CLIENT_CA it wants certificates of
// that authority.
func serverOptions() []grpc.ServerOption {
	certFile := os.Getenv("BASCULE_CERT")
	if certFile == "" {
		return nil
	}
	pair, err := tls.LoadX509KeyPair(certFile, os.Getenv("BASCULE_KEY"))
	check(err)
	config := &tls.Config{Certificates: []tls.Certificate{pair}}
	if file := os.Getenv("BASCULE_CLIENT_CA"); file != "" {
		pem, err := os.ReadFile(file)
		check(err)
		config.ClientCAs = x509.NewCertPool()
		config.ClientCAs.AppendCertsFromPEM(pem)
		config.ClientAuth = tls.RequireAndVerifyClientCert
	}
	return []grpc.ServerOption{grpc.Creds(credentials.NewTLS(config))}
}
