import { defineConfig } from 'vite';

export default defineConfig({
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: { target: 'es2023', modulePreload: { polyfill: false } },
  // While the page is worked on, calls go to a gateway that runs beside it.
  server: { proxy: { '^/[a-z0-9.]+\\.[A-Z][A-Za-z]*/': 'http://127.0.0.1:8080' } },
});
