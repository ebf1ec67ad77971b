import type { SecureContext } from 'node:tls';

/** Where and how to connect; shared by all connections of a fleet. */
export interface Target {
  readonly host: string;
  /** The name that the certificate must carry. */
  readonly serverName: string;
  readonly port: number;
  readonly path: string;
  readonly pollPath: string;
  /** Set for `wss` and `https`. */
  readonly secureContext?: SecureContext;
  readonly subprotocol: string;
  readonly maxMessageBytes: number;
  readonly connectTimeoutMs: number;
}
