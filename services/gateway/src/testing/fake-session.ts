import {
  decodeHeader,
  frameBody,
  type AgentId,
  type Facts,
  type Labels,
  type OrgId,
  type SessionMode,
} from '@muster/protocol';
import type { PollSchedule, SendResult } from '../foundation/connection.js';
import { makeProfile } from '../foundation/profile.js';
import { Session } from '../sessions/hub/session.js';

export interface FakeSession {
  readonly session: Session;
  /** What it was sent. */
  readonly frames: { readonly type: number; readonly ref: number; readonly body: Uint8Array }[];
  readonly types: number[];
  /** How often its agent was told to poll. */
  readonly schedules: PollSchedule[];
  /** The data of the pings that it was sent. */
  readonly pings: Uint8Array[];
  /** How many heartbeats it was sent. */
  readonly beats: number;
  /** The codes that it was closed with. */
  readonly closes: number[];
}

export interface FakeSessionOptions {
  readonly org?: OrgId;
  readonly agentId?: string;
  readonly host?: string;
  /** What the agent said that it can do. */
  readonly capabilities?: readonly string[];
  /** When an agent that polls comes next. */
  readonly dueMs?: number;
  /** Until when its hello has to come (monotonic). */
  readonly deadlineMs?: number;
  readonly labels?: Labels;
  readonly mode?: SessionMode;
  readonly os?: Facts['os'];
  /** What sending results in; nothing is kept of frames when it is `closed`. */
  readonly send?: SendResult;
}

/** A session that is ready, without a gateway around it. */
export function fakeSession(num: number, options: FakeSessionOptions = {}): FakeSession {
  const { org = 'acme' as OrgId, agentId = `a${num}`, host = `host-${num}`, labels = {} } = options;
  const { capabilities = ['query', 'command', 'mode'], mode = 'live', os = 'linux', send = 'sent' } = options;
  const frames: { type: number; ref: number; body: Uint8Array }[] = [];
  const types: number[] = [];
  const schedules: PollSchedule[] = [];
  const pings: Uint8Array[] = [];
  const closes: number[] = [];
  let beats = 0;
  const connection = {
    ...(options.dueMs === undefined ? {} : { dueMs: options.dueMs }),
    address: '127.0.0.1',
    send: (frame: Uint8Array) => {
      const { type = 0, ref = 0 } = decodeHeader(frame) ?? {};
      if (send === 'closed') return send;
      frames.push({ type, ref, body: frameBody(frame) });
      types.push(type);
      return send;
    },
    beat: () => void (beats += 1),
    close: (code: number) => void closes.push(code),
    ping: (data: Uint8Array) => void pings.push(data),
    cork: (run: () => void) => run(),
    expectPolls: (schedule: PollSchedule) => void schedules.push(schedule),
  };
  const challenge = {
    ...{ nonce: new Uint8Array(32), token: '', publicKey: '', factsDigest: '' },
    ...{ tokenIssuedAtMs: 0, tokenExpiresAtMs: 0, deadlineMs: options.deadlineMs ?? 0, bytes: 0 },
  };
  const session = new Session({ org, agentId: agentId as AgentId, num, mode, challenge }, connection, 0);
  const facts = { os, arch: 'x64', agentVersion: '1', mode, capabilities: new Set(capabilities) };
  session.profile = makeProfile(facts, labels, {});
  session.host = host;
  session.state = 'ready';
  return {
    ...{ session, frames, types, schedules, pings, closes },
    get beats() {
      return beats;
    },
  };
}
