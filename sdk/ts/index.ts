/// <reference lib="esnext.disposable" preserve="true" />
/**
 * Browsers that talk to each other directly: join a room by name, exchange typed messages with everyone in it.
 * Importing this module touches no global and loads nothing; {@link join} does.
 *
 * @module
 */
export { Channel, type Outcome, type Received, type SendOptions } from "./channel.js";
export type { Codec } from "./codec.js";
export { diagnose } from "./doctor.js";
export { type ErrorCode, PeerloomError } from "./errors.js";
export type { Unsubscribe } from "./events.js";
export { forgetIdentity } from "./identity.js";
export { type JoinOptions, join } from "./join.js";
export { load } from "./load.js";
export type { WasmSource } from "./module.js";
export { type PathUse, Peer, type PeerPath, type PeerState, type SafetyCode } from "./peer.js";
export {
  type ChannelDefinition,
  type ChannelOptions,
  channel,
  type Delivery,
  type MessageOf,
  type Protocol,
  type RpcDefinition,
  rpc,
} from "./protocol.js";
export { type RecordOptions, recordStats, type StatsRecord, type StatsSample } from "./record.js";
export type {
  AttemptReport,
  CandidateKinds,
  Finding,
  IceServerReport,
  JoiningReport,
  Nat,
  Report,
  ServerReport,
} from "./report.js";
export type {
  IceServerSource,
  IdentityChangedEvent,
  PathEvent,
  PeerEvent,
  PeerRoute,
  Room,
  RoomBase,
  RoomEvents,
  RoomStats,
  Security,
  SignalingState,
  TokenRequest,
  TokenSource,
  UndeliveredEvent,
} from "./room.js";
export { type CallContext, type CallHandler, type CallOptions, Rpc } from "./rpc.js";
export type { Json, StandardResult, StandardSchemaV1 } from "./schema.js";
export { createRoomSecret, readInvite } from "./secret.js";
export type { ChannelStats, PeerStats } from "./stats.js";
export type { PeerStream } from "./stream.js";
