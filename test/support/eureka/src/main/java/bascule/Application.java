package bascule;

import jakarta.servlet.Filter;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.boot.web.servlet.FilterRegistrationBean;
import org.springframework.cloud.netflix.eureka.server.EnableEurekaServer;
import org.springframework.context.annotation.Bean;
import org.springframework.core.Ordered;

/** A Eureka server for tests, which asks for user and password when it is given some. */
@SpringBootApplication
@EnableEurekaServer
public class Application {
  public static void main(String[] arguments) {
    SpringApplication.run(Application.class, arguments);
  }

  @Bean
  FilterRegistrationBean<Filter> credentials(
      @Value("${bascule.user:}") String user, @Value("${bascule.password:}") String password) {
    byte[] pair = (user + ":" + password).getBytes(StandardCharsets.UTF_8);
    String expected = "Basic " + Base64.getEncoder().encodeToString(pair);
    Filter filter =
        (request, response, chain) -> {
          String given = ((HttpServletRequest) request).getHeader("Authorization");
          if (user.isEmpty() || expected.equals(given)) {
            chain.doFilter(request, response);
            return;
          }
          ((HttpServletResponse) response).setHeader("WWW-Authenticate", "Basic realm=\"eureka\"");
          ((HttpServletResponse) response).sendError(HttpServletResponse.SC_UNAUTHORIZED);
        };
    FilterRegistrationBean<Filter> registration = new FilterRegistrationBean<>(filter);
    registration.setOrder(Ordered.HIGHEST_PRECEDENCE);
    return registration;
  }
}
