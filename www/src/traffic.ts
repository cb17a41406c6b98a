/** What went from browser to browser and what went through the server, in bytes, and what that means. */
import type { Person } from "./crowd";
import { formatBytes, need } from "./dom";
import type { DemoRoom } from "./room";

export function createTraffic(room: DemoRoom, people: () => Iterable<Person>): void {
  const direct = need("bytes-direct", HTMLElement);
  const server = need("bytes-server", HTMLElement);
  const share = need("share-direct", HTMLElement);
  const verdict = need("verdict", HTMLElement);
  const directDetail = need("direct-detail", HTMLElement);
  const serverDetail = need("server-detail", HTMLElement);

  function show(): void {
    const stats = room.stats();
    const directBytes = stats.directBytesSent + stats.directBytesReceived;
    const serverBytes = stats.serverBytesSent + stats.serverBytesReceived;
    direct.textContent = formatBytes(directBytes);
    direct.dataset.bytes = String(directBytes);
    server.textContent = formatBytes(serverBytes);
    server.dataset.bytes = String(serverBytes);
    directDetail.textContent = bothWays(stats.directBytesSent, stats.directBytesReceived);
    serverDetail.textContent = bothWays(stats.serverBytesSent, stats.serverBytesReceived);
    const total = directBytes + serverBytes;
    share.style.width = `${total ? (100 * directBytes) / total : 0}%`;
    verdict.textContent = judge([...people()]);
  }

  show();
  setInterval(show, 1000);
}

function bothWays(sent: number, received: number): string {
  return `${formatBytes(sent)} sent, ${formatBytes(received)} received`;
}

/** One plain sentence on where your words go right now. */
function judge(people: Person[]): string {
  if (people.length === 0)
    return "When someone joins, the server introduces you. Then it gets out of the way.";
  const relayed = people.filter(({ peer }) => peer.path === "relay");
  const connecting = people.filter(({ peer }) => peer.path === "connecting");
  if (relayed.length > 0) {
    const names = relayed.map(({ name }) => name).join(", ");
    return `The way to ${names} leads through the server until a direct one opens. It cannot read what passes.`;
  }
  if (connecting.length > 0)
    return "The server has introduced you; the browsers are finding a way to each other.";
  const links =
    ["Your link is", "Both your links are"][people.length - 1] ?? `All your ${people.length} links are`;
  return `${links} direct: the server sees none of what you write or send.`;
}
