import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach } from '@jest/globals';
import { CAPABILITY, type HelloBody, LIMITS, type ModeBody, type SessionMode } from '@muster/protocol';
import { type Logger, silentLogger } from '@muster/runtime/program';
import { FakeClock } from '@muster/runtime/testing';
import type { EnrolOutcome } from '../identity/enrol.js';
import { openDialer } from '../network/dialer.js';
import { createConnect } from '../transports/create-connect.js';
import type { Connect } from '../contract/session-connection.js';
import { ConnectionManager } from '../sessions/connection-manager.js';
import { AssignedMode, pinnedMode } from '../capabilities/modes/assigned-mode.js';
import type { Capability } from '../contract/capability.js';
import type { Session } from '../contract/session.js';
import { TrafficMeter } from '../traffic/traffic-meter.js';
import { FakeGateway, type FakeGatewayOptions } from './fake-gateway.js';

export const HELLO: HelloBody = {
  facts: { host: 'h', os: 'linux', arch: 'x', osName: 'n', osVersion: 'v', agentVersion: '1' },
  labels: {},
  capabilities: [CAPABILITY.mode],
  instance: new Uint8Array(16),
  proof: new Uint8Array(64),
};

const cleanups: (() => Promise<unknown> | void)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** Registers a function that is called when the test is over. */
export function atEnd(cleanup: () => Promise<unknown> | void): void {
  cleanups.push(cleanup);
}

export async function startGateway(options?: FakeGatewayOptions): Promise<FakeGateway> {
  const gateway = await FakeGateway.start(options);
  atEnd(() => gateway.stop());
  return gateway;
}

/** The mode that gateways assign, stored in a folder of this test. */
export function assignedMode(): (clock: FakeClock, logger: Logger) => AssignedMode {
  const folder = mkdtempSync(join(tmpdir(), 'muster-told-'));
  atEnd(() => rmSync(folder, { recursive: true, force: true }));
  return (clock, logger) => new AssignedMode({ folder, clock, logger });
}

export interface ManagerSetup {
  readonly token?: string | undefined;
  readonly enrol?: () => EnrolOutcome;
  readonly random?: () => number;
  /** A mode that the agent is pinned to, or the mode that gateways assign. */
  readonly desired?: SessionMode | ReturnType<typeof assignedMode>;
}

/** A connection manager with a fake clock, a capability that records its sessions, and the log. */
export async function startManager(gateways: readonly string[], setup: ManagerSetup = {}) {
  const clock = new FakeClock();
  const logLines: string[] = [];
  const sessions: { mode: SessionMode; ended: boolean; session: Session; received: string[] }[] = [];
  let token: string | undefined = 'token' in setup ? setup.token : 'first';
  let enrolments = 0;
  const waiters: (() => void)[] = [];
  const note = (message: string, fields?: { why?: unknown }): void => {
    logLines.push(`${message}${typeof fields?.why === 'string' ? `: ${fields.why}` : ''}`);
    for (const wake of waiters.splice(0)) wake();
  };
  const logger = { ...silentLogger, info: note, warn: note, error: note };
  const random = setup.random ?? ((): number => 0.5);
  const desired = setup.desired ?? 'live';
  const source = typeof desired === 'string' ? pinnedMode(desired) : desired(clock, logger);
  const received = (what: string): void => void sessions.at(-1)?.received.push(what);
  const recorder: Capability = {
    flags: () => [],
    frames: {
      query: ({ remainingMs }, ref) => received(`query ${ref} for ${remainingMs} ms`),
      credit: ({ bytes }, ref) => received(`credit ${ref} ${bytes}`),
      cancel: (_body, ref) => received(`cancel ${ref}`),
      unreadableQuery: ({ code }, ref) => received(`${code} ${ref}`),
      unreadableCommand: ({ id, number }) => received(`unreadable command ${id} ${number}`),
    },
    ready: (session) => void sessions.push({ mode: session.mode, ended: false, session, received: [] }),
    writable: () => received('writable'),
    ended: () => {
      const last = sessions.at(-1);
      if (last !== undefined) last.ended = true;
    },
  };
  const connect: Connect = createConnect({
    dialer: await openDialer({ gatewayUrls: [] }, {}),
    meter: new TrafficMeter(clock),
    clock,
    logger,
    random,
  });
  const manager = new ConnectionManager({
    gateways,
    connect,
    desired: source,
    clock,
    random,
    logger,
    credentials: {
      token: () => token,
      setToken: (next) => void (token = next),
      enrol: () => {
        enrolments += 1;
        const outcome = setup.enrol?.() ?? { kind: 'enrolled', agentId: 'a', num: 1, token: `enrolled${enrolments}` };
        if (outcome.kind === 'enrolled') token = outcome.token;
        return Promise.resolve(outcome);
      },
      hello: () => HELLO,
      connectProof: (of) => `proof of ${of}`,
    },
    capabilities: [recorder, source],
  });
  atEnd(() => manager.stop());
  manager.start();
  return {
    manager,
    clock,
    logLines,
    sessions,
    enrolments: () => enrolments,
    token: () => token,
    /** Waits until `count` lines of the log match. No time passes on the fake clock. */
    async logged(pattern: RegExp, count = 1): Promise<void> {
      while (logLines.filter((line) => pattern.test(line)).length < count)
        await new Promise<void>((resolve) => waiters.push(resolve));
    },
    /** On Poll, lets the session fetch the waiting frames: exactly when its interval of 60 s is over. */
    async fetch(): Promise<void> {
      if (manager.mode === 'poll') await clock.advanceAsync(60_000 - Math.floor((random() * 60_000) / 10));
    },
  };
}

/** A gateway, and an agent that it may assign a mode to. The agent's random numbers are 0. */
export async function startAssigned(options: FakeGatewayOptions = {}, setup: ManagerSetup = {}) {
  const gateway = await startGateway(options);
  const agent = await startManager([gateway.origin], { desired: assignedMode(), random: () => 0, ...setup });
  return { gateway, agent };
}

/** A `mode` for WELCOME. */
export function modeBody(mode: SessionMode, more: Partial<ModeBody> = {}): ModeBody {
  return { mode, intervalMs: LIMITS.pollIntervalMs, reason: 'test', spreadMs: 0, ...more };
}
