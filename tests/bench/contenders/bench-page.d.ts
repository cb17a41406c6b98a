// What the glue of `rust-page/` exports; it is there once that is built.
declare module "bench-page" {
  export default function init(): Promise<unknown>;
  export function enter(url: string, room: string, relayFirst: boolean): Promise<void>;
  export function connected(): Promise<number>;
  export function receiveBytes(bytes: number): Promise<number>;
  export function sendBytes(bytes: number, messageBytes: number): Promise<number>;
  export function receiveObjects(count: number): Promise<number>;
  export function sendObjects(count: number): Promise<number>;
  export function echo(): void;
  export function roundTrips(count: number, bytes: number): Promise<Float64Array>;
}
