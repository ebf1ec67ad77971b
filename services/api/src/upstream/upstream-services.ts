import type { Bus } from '@muster/bus';
import {
  decodeBusMessage,
  SUBJECTS,
  type CommandServiceHeartbeat,
  type CoordinatorHeartbeat,
  type PostureHeartbeat,
} from '@muster/messages';
import type { CommandServiceId, CoordinatorId, PostureServiceId } from '@muster/protocol';
import type { Clock } from '@muster/runtime';
import { HeartbeatListener, ServiceAsker, ServiceInstances } from '@muster/service-base';

export interface UpstreamService {
  readonly heartbeats: HeartbeatListener;
  readonly instances: ServiceInstances;
  readonly asker: ServiceAsker;
}

interface UpstreamOptions {
  readonly bus: Pick<Bus, 'subscribe' | 'request'>;
  readonly clock: Clock;
}

/** The query services, and how they are asked. */
export function queryServices(options: UpstreamOptions): UpstreamService {
  const instances = new ServiceInstances(options.clock);
  const heartbeats = new HeartbeatListener({
    ...{ bus: options.bus, instances },
    subject: SUBJECTS.coordinatorHeartbeats,
    read: (data) => {
      const heartbeat = decodeBusMessage<CoordinatorHeartbeat>(data, 'owner_beat');
      return heartbeat === undefined ? undefined : { ...heartbeat, id: heartbeat.owner };
    },
  });
  const subjectOf = (id: string): string => SUBJECTS.queryService(id as CoordinatorId);
  return {
    heartbeats,
    instances,
    asker: new ServiceAsker({ ...options, instances, group: SUBJECTS.queries, subjectOf }),
  };
}

/** The command services. */
export function commandServices(options: UpstreamOptions): UpstreamService {
  const instances = new ServiceInstances(options.clock);
  const heartbeats = new HeartbeatListener({
    ...{ bus: options.bus, instances },
    subject: SUBJECTS.commandHeartbeats,
    read: (data) => {
      const heartbeat = decodeBusMessage<CommandServiceHeartbeat>(data, 'command_beat');
      return heartbeat === undefined ? undefined : { ...heartbeat, id: heartbeat.instance };
    },
  });
  const subjectOf = (id: string): string => SUBJECTS.commandService(id as CommandServiceId);
  return {
    heartbeats,
    instances,
    asker: new ServiceAsker({ ...options, instances, group: SUBJECTS.commands, subjectOf }),
  };
}

/** The posture services. */
export function postureServices(options: UpstreamOptions): UpstreamService {
  const instances = new ServiceInstances(options.clock);
  const heartbeats = new HeartbeatListener({
    ...{ bus: options.bus, instances },
    subject: SUBJECTS.postureHeartbeats,
    read: (data) => {
      const heartbeat = decodeBusMessage<PostureHeartbeat>(data, 'posture_beat');
      return heartbeat === undefined ? undefined : { ...heartbeat, id: heartbeat.instance };
    },
  });
  const subjectOf = (id: string): string => SUBJECTS.postureService(id as PostureServiceId);
  return {
    heartbeats,
    instances,
    asker: new ServiceAsker({ ...options, instances, group: SUBJECTS.posture, subjectOf }),
  };
}
