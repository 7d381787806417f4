/** Where gRPC's own status stands: no metadata, whoever names it so. */
export const STATUS_FIELDS: ReadonlySet<string> = new Set(['grpc-status', 'grpc-message', 'grpc-status-details-bin']);
