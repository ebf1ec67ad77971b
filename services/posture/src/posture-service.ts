import type { Broker } from '@muster/bus';
import { Directory } from '@muster/directory';
import { SUBJECTS, type PostureHeartbeat } from '@muster/messages';
import { newPostureServiceId, type PostureServiceId } from '@muster/protocol';
import { STREAM_SUBJECTS, type ExceptionRecord, type ScheduleRecord } from '@muster/records';
import type { Clock, Component, Logger, Metrics } from '@muster/runtime';
import { LiveInstances, PeerClocks, SteadyClock } from '@muster/service-base';
import { DecisionStore } from './decisions/decision-store.js';
import { ExceptionRequests } from './decisions/exception-requests.js';
import { FeedLibrary } from './feeds/feed-library.js';
import { FeedRequests } from './feeds/feed-requests.js';
import { createPostureMetrics } from './metrics.js';
import { PackChecks } from './packs/pack-checks.js';
import { PackCompiler } from './packs/pack-compiler.js';
import { PackLibrary } from './packs/pack-library.js';
import { KnownViews } from './requests/known-views.js';
import { PostureRequestHandler } from './requests/posture-request-handler.js';
import { PostureRequests } from './requests/posture-requests.js';
import { QueryServices } from './scans/query-services.js';
import { ScanLibrary } from './scans/scan-library.js';
import { ScanReader } from './scans/scan-reader.js';
import { ScanRecorder } from './scans/scan-recorder.js';
import { ScheduleRequests } from './schedules/schedule-requests.js';
import { Scheduler } from './schedules/scheduler.js';
import { VulnerabilityLibrary } from './vulnerabilities/vulnerability-library.js';
import { VulnerabilityMatcher } from './vulnerabilities/vulnerability-matcher.js';
import { VulnerabilityRequests } from './vulnerabilities/vulnerability-requests.js';

export interface PostureServiceDeps {
  readonly broker: Broker;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Opens a SQL engine; the one of production where none is given. */
  readonly compiler?: Pick<PackCompiler, 'compile' | 'start' | 'stop'>;
}

export interface PostureService {
  readonly instance: PostureServiceId;
  /** In the order in which they start. */
  readonly components: readonly (readonly [name: string, component: Component])[];
}

/** One instance of the posture service over a connected broker. Its streams must exist. It keeps nothing that a stream does not have. */
export function createPostureService(deps: PostureServiceDeps): PostureService {
  const { broker, logger, compiler = new PackCompiler() } = deps;
  const { bus, streams } = broker;
  const instance = newPostureServiceId();
  const peers = new PeerClocks({ bus, clock: deps.clock, self: instance, kinds: ['query', 'posture'] });
  const clock = new SteadyClock({ clock: deps.clock, peers, logger });
  const packs = new PackLibrary({ streams, logger });
  const scans = new ScanLibrary({ streams, logger });
  const directory = new Directory({ streams, logger });
  const schedules = new DecisionStore<ScheduleRecord>({
    ...{ streams, logger, noun: 'schedule', prefix: 'sch' },
    ...{ subjects: STREAM_SUBJECTS.allSchedules, subjectOf: STREAM_SUBJECTS.schedule },
  });
  const exceptions = new DecisionStore<ExceptionRecord>({
    ...{ streams, logger, noun: 'exception', prefix: 'exc' },
    ...{ subjects: STREAM_SUBJECTS.allExceptions, subjectOf: STREAM_SUBJECTS.exception },
  });
  const feeds = new FeedLibrary({ streams, clock, logger });
  const vulnerabilities = new VulnerabilityLibrary({ streams, logger });
  const metrics = createPostureMetrics(deps.metrics, {
    // Of packs that were removed nobody looks at the last scan any more.
    newest: () => [...scans.newest()].filter(({ org, pack }) => packs.isApplied(org, pack.id)),
    packs: () => packs.size,
    schedules: () => schedules.living(),
    feeds: () => feeds.all(),
    vulnerable: () => vulnerabilities.newestOfAll(),
    nowMs: () => clock.now(),
  });
  const reader = new ScanReader({ streams, packs, exceptions, directory, now: () => clock.now() });
  const recorder = new ScanRecorder({ streams, reader, scans, logger, metrics: metrics.recorder });
  const queries = new QueryServices({ bus, clock });
  const handled = new PostureRequests({
    ...{ packs, scans, compiler, queries, reader, clock },
    schedules: new ScheduleRequests({ schedules, packs, clock }),
    exceptions: new ExceptionRequests({ exceptions, packs, clock }),
    feeds: new FeedRequests(feeds),
    vulnerabilities: new VulnerabilityRequests({ scans: vulnerabilities, queries, clock }),
  });
  const requests = new PostureRequestHandler({
    // Its heartbeats tell what the clock of the machine says, and the terms of requests are by that.
    ...{ bus, instance, clock: deps.clock, logger, metrics: metrics.requests, requests: handled },
    views: new KnownViews({ packs, scans, schedules, exceptions, feeds, vulnerabilities }),
  });
  const scheduler = new Scheduler({
    ...{ schedules, clock, logger, metrics: metrics.scheduler },
    startScan: (request) => handled.start(request),
    startedAt: (org, scan) => reader.startedAt(org, scan),
  });
  const instances = new LiveInstances<PostureHeartbeat>({
    ...{ bus, clock: deps.clock, instance, subject: SUBJECTS.postureHeartbeats, kind: 'posture_beat' as const },
    details: () => ({}),
    onChange: () => undefined,
  });
  const matcher = new VulnerabilityMatcher({
    ...{ streams, feeds, scans: vulnerabilities, clock, logger, metrics: metrics.matcher },
    owns: (id) => instances.owns(id),
  });
  return {
    instance,
    components: [
      ['clocks of others', peers],
      ['clock', clock],
      ['pack compiler', compiler],
      ['packs', packs],
      ['scans', scans],
      ['directory', directory],
      ['exceptions', exceptions],
      ['schedules', schedules],
      ['feeds', feeds],
      ['scans for vulnerabilities', vulnerabilities],
      ['query services', queries.heartbeats],
      ['pack checks', new PackChecks({ bus, packs, logger })],
      ['scan recorder', recorder],
      ['scheduler', scheduler],
      ['live services', instances],
      ['vulnerability matcher', matcher],
      ['requests', requests],
    ],
  };
}
