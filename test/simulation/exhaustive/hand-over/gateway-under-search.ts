import type { Bus, BusMessage } from '@muster/bus';
import { GatewayIdentity } from '@muster/gateway/gateway-identity';
import { GatewayInbox } from '@muster/gateway/gateway-inbox';
import type { HandshakeContext, Session } from '@muster/gateway/handshake-context';
import { Hub } from '@muster/gateway/hub';
import { LeaseRenewer } from '@muster/gateway/lease-renewer';
import { RegistrationQueue } from '@muster/gateway/registration-queue';
import { SessionManager, type SessionManagerOptions } from '@muster/gateway/session-manager';
import { SessionTable } from '@muster/gateway/session-table';
import { CLOSE, decodeBody, LIMITS } from '@muster/protocol';
import type { Registry } from '@muster/registry';
import { silentLogger } from '@muster/runtime';
import { NO_METRICS } from '../../nodes/parts.js';
import { AskedRegistry } from './asked-registry.js';
import { StillClock, type StillTime } from './still-clock.js';
import type { Wire } from './wire.js';

const LEASE_MS = 15_000;
/** How often it says that it lives, and how often it renews its lease. */
const HEARTBEAT_MS = 1_500;

/** What passes between gateways. */
export interface Post {
  send(subject: string, data: Uint8Array): void;
}

/** The sessions of one gateway: the parts of production, on a broker and a registry that answer when the search wants. */
export class GatewayUnderSearch {
  readonly clock: StillClock;
  readonly identity: GatewayIdentity;
  readonly hub = new Hub();
  readonly table = new SessionTable();
  readonly registry: AskedRegistry;
  readonly sessions: SessionManager;
  /** Messages for this gateway. */
  readonly mail: { readonly subject: string; readonly data: Uint8Array }[] = [];
  isDraining = false;
  isStopped = false;
  /** It stands still past its lease, and does not know it yet. */
  isFrozen = false;
  /** Its next renewal of the lease has something to do. */
  owesRenewal = false;
  #formerId: string | undefined;
  readonly #number: number;
  readonly #inbox: GatewayInbox;
  readonly #lease: LeaseRenewer;
  readonly #handlers = new Map<string, (message: BusMessage) => void>();

  constructor(number: number, { time, redis, post }: { time: StillTime; redis: Registry; post: Post }) {
    this.#number = number;
    this.clock = new StillClock(time);
    const { clock, hub, table } = this;
    const logger = silentLogger;
    this.identity = new GatewayIdentity({ clock, logger, leaseMs: LEASE_MS });
    const { identity } = this;
    this.registry = new AskedRegistry(redis);
    const registry = this.registry as unknown as Registry;
    const bus = this.#bus(post);
    this.#inbox = new GatewayInbox({ bus, identity, logger });
    const base = { ...{ bus, registry, identity, hub, clock, logger }, inbox: this.#inbox, metrics: NO_METRICS };
    const registrations = new RegistrationQueue({ ...base, duplicates: NO_DUPLICATES });
    this.#lease = new LeaseRenewer({ ...base, registrations, draining: () => this.isDraining });
    this.sessions = new SessionManager({
      ...{ ...base, table, registrations, capabilities: [], handshake: HANDSHAKE, overrides: NO_OVERRIDES },
      ...{ identities: NO_REMOVALS, firstSessions: { note: () => undefined } },
      ...{ heartbeats: HEARTBEATS, returnSpreadMs: () => 0, maxAgeMs: Infinity },
    });
    this.#inbox.start();
    void this.#lease.start();
  }

  /** A connection comes in. */
  accept(wire: Wire, agentId: HandshakeContext['agentId'], num: number): void {
    if (this.isStopped) return wire.refuse({ kind: 'failed', error: new Error('nobody listens') });
    if (this.isDraining) return wire.refuse({ kind: 'refused', refusal: { status: 503, code: 'draining' } });
    const { sessions } = this;
    wire.accept(this.#number, {
      received: (connection, data) => sessions.received(connection, data, true),
      closed: (connection, code) => sessions.closed(connection, code),
    });
    const challenge = { ...NO_CHALLENGE, bytes: 0 };
    sessions.opened(wire.gatewaySide, { org: ORG, agentId, num, mode: 'live', challenge });
  }

  /** Asks all to move, and lets nobody in any more. */
  drain(): void {
    this.isDraining = true;
    this.sessions.askToMove(this.hub.sessions(), { spreadMs: 1_000, reason: 'draining' });
  }

  /** As a service stops when its sessions have left. */
  stop(): void {
    this.isStopped = true;
    this.owesRenewal = false;
    this.sessions.endAll('goingAway');
    void this.#lease.stop();
    this.#inbox.stop();
  }

  get canBeDisturbed(): boolean {
    return !this.isDraining && !this.isFrozen;
  }

  /** Its lease is renewed again and again, once at a time: when that changes nothing it is left out. */
  get canRenew(): boolean {
    return this.owesRenewal && !this.isFrozen && !this.registry.isRenewing;
  }

  get canStop(): boolean {
    return this.isDraining && !this.isStopped && !this.isFrozen && this.table.size === 0;
  }

  /** A process that has noticed that it stood still has another id. */
  notice(): void {
    if (this.isFrozen && this.identity.id !== this.#formerId) this.isFrozen = false;
  }

  freeze(): void {
    this.#formerId = this.identity.id;
    this.isFrozen = true;
    this.owesRenewal = true;
    this.clock.stoodStillMs += LEASE_MS + 1_000;
  }

  /** Its timers fire. */
  tick(): void {
    this.clock.repeat(HEARTBEAT_MS);
  }

  renew(): void {
    this.owesRenewal = false;
    this.clock.repeat(LEASE_MS / 3);
  }

  /** The next message for it arrives. */
  receive(): void {
    const next = this.mail.shift();
    if (next !== undefined) this.#handlers.get(next.subject)?.({ subject: next.subject, data: next.data });
  }

  listensTo(subject: string): boolean {
    return this.#handlers.has(subject);
  }

  #bus(post: Post): Bus {
    const handlers = this.#handlers;
    return {
      ...{
        connected: true,
        maxPayloadBytes: 1_000_000,
        flush: async () => true,
        onConnectionChange: () => () => undefined,
      },
      publish: (subject, data) => {
        post.send(subject, data);
        return 'sent';
      },
      subscribe: (subject, handler) => {
        handlers.set(subject, handler);
        return { unsubscribe: () => void handlers.delete(subject) };
      },
      // It asks only itself, and at once: whether it can be reached.
      request: (subject, data) =>
        new Promise((resolve) => {
          const reply = (answer: Uint8Array): 'sent' => {
            resolve({ kind: 'reply', data: answer });
            return 'sent';
          };
          handlers.get(subject)?.({ subject, data, reply });
        }),
      stats: () => ({
        messagesOut: 0,
        bytesOut: 0,
        messagesIn: 0,
        bytesIn: 0,
        refused: 0,
        reconnects: 0,
        dropped: 0,
        handlerErrors: 0,
      }),
    };
  }
}

const HEARTBEATS = {
  aloneMs: LIMITS.heartbeatMs,
  pairedMs: LIMITS.pairedHeartbeatMs,
  gatewayMs: LIMITS.gatewayHeartbeatMs,
};
const ORG = 'acme' as HandshakeContext['org'];
const NO_CHALLENGE = {
  ...{ nonce: new Uint8Array(32), token: '', publicKey: '', factsDigest: '' },
  ...{ tokenIssuedAtMs: 0, tokenExpiresAtMs: Number.POSITIVE_INFINITY, deadlineMs: Number.POSITIVE_INFINITY },
};
const PROFILE: NonNullable<Session['profile']> = {
  ...{ key: 'all', os: 'linux', arch: 'x64', agentVersion: '1', mode: 'live' },
  ...{ capabilities: new Set<string>(), agentLabels: {}, labels: {} },
};
/** Who somebody is was proven: that is not what is looked at here. */
const HANDSHAKE: SessionManagerOptions['handshake'] = {
  verify: (session, body) => {
    const hello = decodeBody('hello', body);
    const { challenge } = session;
    if (!hello.ok || challenge === undefined) return { ok: false, reason: 'helloInvalid', detail: 'not a hello' };
    return { ok: true, hello: hello.body, challenge };
  },
  admit: async (session, { hello }) => {
    session.profile = PROFILE;
    session.instance = Buffer.from(hello.instance).toString('hex');
    session.replaces = hello.replaces;
    return undefined;
  },
};
const NO_OVERRIDES: SessionManagerOptions['overrides'] = {
  ...{ listen: () => undefined, labelsOf: () => ({}), isRevoked: () => false },
};
const NO_REMOVALS: SessionManagerOptions['identities'] = { listen: () => undefined, isRemoved: () => false };
const NO_DUPLICATES = { report: () => CLOSE.duplicateIdentity.meaning } as unknown as ConstructorParameters<
  typeof RegistrationQueue
>[0]['duplicates'];
