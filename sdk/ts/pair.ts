/**
 * The selected pair of candidates and its two ends, as entries of `getStats()` (W3C webrtc-stats).
 * @internal
 */
export interface SelectedPair {
  readonly pair?: Readonly<Record<string, unknown>>;
  readonly local?: Readonly<Record<string, unknown>>;
  readonly remote?: Readonly<Record<string, unknown>>;
}

/**
 * Asks the browser. What it does not tell is not there.
 * @internal
 */
export async function selectedPair(connection: RTCPeerConnection | undefined): Promise<SelectedPair> {
  const report = await connection?.getStats().catch(() => undefined);
  if (report === undefined) return {};
  const all = [...report.values()];
  const transport = all.find(({ type }) => type === "transport");
  const pair =
    transport === undefined
      ? // Firefox has no transport entry, but marks the pair.
        all.find(({ type, selected }) => type === "candidate-pair" && selected)
      : report.get(transport.selectedCandidatePairId);
  const [local, remote] = [report.get(pair?.localCandidateId), report.get(pair?.remoteCandidateId)];
  return { pair, local, remote };
}
