// RTCPeerConnection as it is usually written: the newcomer is told who is here, makes an offer, and both trickle.
// The one thing not usual is the negotiated channel, since Chromium loses some first messages on the other kind.

type Signal =
  | { peers: number[] }
  | { from: number; description: RTCSessionDescriptionInit }
  | { from: number; candidate: RTCIceCandidateInit };

class Signaling {
  #socket: WebSocket;

  constructor(room: string, onSignal: (signal: Signal) => void) {
    // The relay's port stands in the page's address.
    this.#socket = new WebSocket(`ws://${location.hostname}:${location.hash.slice(1)}`);
    this.#socket.onopen = () => this.#socket.send(JSON.stringify({ join: room }));
    this.#socket.onmessage = ({ data }) => onSignal(JSON.parse(data) as Signal);
  }

  send(to: number, what: object): void {
    this.#socket.send(JSON.stringify({ to, ...what }));
  }
}

function connect(signaling: Signaling, to: number): { pc: RTCPeerConnection; chat: RTCDataChannel } {
  const pc = new RTCPeerConnection();
  const chat = pc.createDataChannel("chat", { negotiated: true, id: 0 });
  pc.onicecandidate = ({ candidate }) => {
    if (candidate) signaling.send(to, { candidate: candidate.toJSON() });
  };
  return { pc, chat };
}

globalThis.contender = {
  async prepare() {},

  stay: (room) =>
    new Promise((entered) => {
      let pc: RTCPeerConnection | undefined;
      const signaling = new Signaling(room, async (signal) => {
        if ("peers" in signal) return entered();
        if ("candidate" in signal) return pc?.addIceCandidate(signal.candidate);
        const connection = connect(signaling, signal.from);
        pc = connection.pc;
        connection.chat.onopen = () => connection.chat.send("hello");
        await pc.setRemoteDescription(signal.description);
        await pc.setLocalDescription();
        signaling.send(signal.from, { description: pc.localDescription });
      });
    }),

  arrive: (room) =>
    new Promise((greeted, failed) => {
      const began = performance.now();
      let joinedMs = 0;
      let pc: RTCPeerConnection | undefined;
      const handle = async (signal: Signal): Promise<void> => {
        if ("candidate" in signal) return pc?.addIceCandidate(signal.candidate);
        if ("description" in signal) return pc?.setRemoteDescription(signal.description);
        joinedMs = performance.now() - began;
        const [resident] = signal.peers;
        if (resident === undefined) throw new Error("nobody is in the room");
        const connection = connect(signaling, resident);
        pc = connection.pc;
        connection.chat.onmessage = () =>
          greeted({ joinedMs, messageMs: performance.now() - began, path: "direct" });
        await pc.setLocalDescription();
        signaling.send(resident, { description: pc.localDescription });
      };
      const signaling = new Signaling(room, (signal) => void handle(signal).catch(failed));
    }),
};
