// An HTTP proxy at a host, as companies have them: whoever may reach nothing else asks it by CONNECT, and it connects to port 443
// alone.
import { writeFileSync } from "node:fs";
import { join } from "node:path";

const PORT = 3128;
const SETTINGS = `
Port ${PORT}
Timeout 600
MaxClients 200
LogLevel Info
Allow 0.0.0.0/0
Allow ::/0
ConnectPort 443
`;

/** Starts it; gives its port. It ends with its host. `folder` is for its settings. */
export async function startProxy(host, folder) {
  const settings = join(folder, "tinyproxy.conf");
  writeFileSync(settings, SETTINGS);
  const program = process.env.TINYPROXY_PATH;
  await host.do("serve", { program, args: ["-d", "-c", settings], ready: "Accepting connections" });
  return PORT;
}
