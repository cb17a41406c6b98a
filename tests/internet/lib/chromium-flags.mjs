// What every Chromium is started with that scenarios and benchmarks drive.
export const CHROMIUM_FLAGS = [
  "--no-sandbox",
  "--disable-quic",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  // Names announced by multicast do not reach another namespace.
  "--disable-features=WebRtcHideLocalIpsWithMdns",
];
