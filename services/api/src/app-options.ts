import type { Broker } from '@muster/bus';
import type { OidcVerifier, RequestSeal } from '@muster/identity';
import type { OrgId } from '@muster/protocol';
import type { Registry } from '@muster/registry';
import type { Clock, Logger, Metrics, Tracer, TrustedProxies } from '@muster/runtime';
import type { ServiceBase } from '@muster/service-base';
import type { Socket } from 'node:net';
import type { Reauthentication } from './auth/reauthentication.js';
import type { ConsoleFile } from './console/console-files.js';
import type { ShareBounds } from './http/shares.js';
import type { ViewersOptions } from './http/viewers.js';
import type { OidcClient } from './oidc/oidc-client.js';
import type { BudgetPolicy } from './queries/budget-policy.js';
import type { RetentionPolicy } from './queries/retention-policy.js';
import type { TablePolicy } from './queries/table-policy.js';

export interface AppOptions {
  readonly broker: Pick<Broker, 'bus' | 'streams'>;
  /** Tells of records that are left out. */
  readonly authority?: ServiceBase['authority'];
  readonly registry: Pick<Registry, 'lookup' | 'scan' | 'gateways' | 'lease' | 'generation'>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly tracer: Tracer;
  readonly proxies: TrustedProxies;
  readonly oidc?: OidcVerifier;
  /** The provider at which people sign in to the console. */
  readonly oidcSignIn?: { readonly client: OidcClient; readonly issuer: string };
  /** Seals requests to command services. */
  readonly seal?: RequestSeal;
  readonly bootstrap?: { readonly token: () => string; readonly org: OrgId };
  /** Its unbounded admins see what is not counted by org. */
  readonly platformOrg: OrgId;
  /** Who may ask tables that hold secrets or personal traces; default: admins only. */
  readonly tablePolicy?: TablePolicy;
  /** How long queries of a role may take on an endpoint. */
  readonly budgetPolicy?: BudgetPolicy;
  /** For how long the results of an org's queries are kept; default: as the stream is defined. */
  readonly retention?: RetentionPolicy;
  /** What needs a recent sign-in of a session of the console; default: nothing. */
  readonly reauthentication?: Reauthentication;
  /** How long a session of the console lasts without use, and at most. */
  readonly sessionIdleMs?: number;
  readonly sessionMaxMs?: number;
  /** Without them there is no console. */
  readonly consoleFiles?: ReadonlyMap<string, ConsoleFile>;
  /** The address under which browsers reach the console. */
  readonly publicUrl?: URL;
  readonly requestRate: number;
  readonly requestBurst: number;
  /** How many requests may be in progress, event streams among them. */
  readonly requestBounds: ShareBounds;
  /** How many event streams may be open. */
  readonly viewerBounds: ShareBounds;
  /** Called with the connection of each request whose credentials are valid. */
  readonly onAuthenticated?: (socket: Socket) => void;
  /** How long an identity may exist without a single session; 0 keeps such identities. */
  readonly unusedIdentityMs: number;
  /** Inner networks that webhooks may be posted to. */
  readonly webhookNetworks: TrustedProxies;
  /** After how long without a sign another process delivers webhooks; changed in tests. */
  readonly webhookLeaseMs?: number;
  /** How many deliveries of one webhook may be pending; changed in tests. */
  readonly webhookMaxPending?: number;
  /** For how long the stream keeps queries; default: as the stream is defined. */
  readonly queriesKeptForMs?: number;
  /** Intervals of event streams; changed in tests. */
  readonly streamIntervals?: Pick<ViewersOptions, 'heartbeatMs' | 'stallMs'>;
  /** How long a coordinator may be silent before its queries are ended; changed in tests. */
  readonly coordinatorSilenceMs?: number;
}
