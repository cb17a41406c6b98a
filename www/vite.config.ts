// How the demo is built: plain Vite, no plugin. `base: "./"` lets the built folder be served from any path.
import { defineConfig } from "vite";

export default defineConfig({
  base: "./",
  // No data: addresses in place of files: the page's Content-Security-Policy need not allow them.
  build: {
    target: "es2022",
    assetsInlineLimit: 0,
    // What the licences of the libraries ask for.
    license: { fileName: "licenses.md" },
    rolldownOptions: {
      input: ["index.html", "diagnose.html"].map((page) => `${import.meta.dirname}/${page}`),
    },
  },
  server: {
    // `npm run dev` serves the page here and the signaling server on its own port.
    proxy: { "/ws": { target: `ws://127.0.0.1:${process.env.PORT ?? "8080"}`, ws: true } },
  },
});
