/**
 * What a connection's selected pair of candidates tells.
 * @internal
 */
export interface Pair {
  readonly rttMs?: number;
  readonly localCandidateType?: string;
  readonly remoteCandidateType?: string;
}

/**
 * Reads the selected pair out of `getStats()` (W3C webrtc-stats). What the browser does not tell is not there.
 * @internal
 */
export async function selectedPair(connection: RTCPeerConnection | undefined): Promise<Pair> {
  const report = await connection?.getStats().catch(() => undefined);
  if (report === undefined) return {};
  const all = [...report.values()];
  const transport = all.find(({ type }) => type === "transport");
  const pair =
    transport === undefined
      ? // Firefox has no transport entry, but marks the pair.
        all.find(({ type, selected }) => type === "candidate-pair" && selected)
      : report.get(transport.selectedCandidatePairId);
  const { currentRoundTripTime: seconds, localCandidateId, remoteCandidateId } = pair ?? {};
  const localCandidateType = report.get(localCandidateId)?.candidateType;
  const remoteCandidateType = report.get(remoteCandidateId)?.candidateType;
  return {
    ...(seconds !== undefined && { rttMs: seconds * 1000 }),
    ...(localCandidateType && { localCandidateType }),
    ...(remoteCandidateType && { remoteCandidateType }),
  };
}
