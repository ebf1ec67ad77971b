import {
  decodeHeader,
  frameBody,
  type AgentId,
  type Facts,
  type Labels,
  type OrgId,
  type SessionMode,
} from '@muster/protocol';
import { makeProfile } from '../foundation/profile.js';
import { Session } from '../sessions/hub/session.js';
import { ORG } from './running-gateway.js';

export interface FakeSession {
  readonly session: Session;
  readonly frames: { readonly type: number; readonly body: Uint8Array }[];
}

/** A session that is ready, without a gateway around it; what it is sent is kept. */
export function fakeSession(
  num: number,
  options: {
    readonly canChangeMode?: boolean;
    /** When an agent that polls comes next. */
    readonly dueMs?: number;
    readonly labels?: Labels;
    readonly mode?: SessionMode;
    readonly os?: Facts['os'];
    readonly send?: 'sent' | 'dropped';
  } = {},
): FakeSession {
  const { canChangeMode = true, labels = {}, mode = 'live', os = 'linux', send = 'sent' } = options;
  const frames: { type: number; body: Uint8Array }[] = [];
  const connection = {
    ...(options.dueMs === undefined ? {} : { dueMs: options.dueMs }),
    address: '127.0.0.1',
    send: (frame: Uint8Array) => {
      frames.push({ type: decodeHeader(frame)?.type ?? 0, body: frameBody(frame) });
      return send;
    },
    close: () => undefined,
    ping: () => undefined,
    cork: (run: () => void) => run(),
  };
  const challenge = {
    ...{ nonce: new Uint8Array(32), token: '', publicKey: '', factsDigest: '' },
    ...{ tokenIssuedAtMs: 0, tokenExpiresAtMs: 0, deadlineMs: 0, bytes: 0 },
  };
  const agentId = `a${num}` as AgentId;
  const session = new Session({ org: ORG as OrgId, agentId, num, mode, challenge }, connection, 0);
  const facts = { os, arch: 'x64', agentVersion: '1', mode, canQuery: true, canCommand: false, canChangeMode };
  session.profile = makeProfile(facts, labels, {});
  session.host = `host-${num}`;
  session.state = 'ready';
  return { session, frames };
}
