// The part of the `WebSocket` interface that the client uses.

/** An object that behaves as a `WebSocket` does, as far as the client uses it. */
export interface Socket {
  binaryType: string;
  readonly readyState: number;
  onopen: ((event: any) => void) | null;
  onmessage: ((event: any) => void) | null;
  onerror: ((event: any) => void) | null;
  onclose: ((event: any) => void) | null;
  send(data: any): void;
  close(code?: number, reason?: string): void;
}

/** A constructor of sockets: the global `WebSocket`, that of npm `ws`, or your own. */
export type SocketConstructor = new (url: string, protocols: string[], options?: any) => Socket;

/** The `readyState` of a socket that is open. */
export const OPEN = 1;
