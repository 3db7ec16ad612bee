import { defineConfig } from "vite";

// The daemon's pages allow no inline script and no source but itself, so nothing is inlined.
export default defineConfig({
  base: "/",
  build: {
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  server: { host: "127.0.0.1", proxy: { "/api": "http://127.0.0.1:8790" } },
});
