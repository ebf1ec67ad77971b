import type { Bus, BusSubscription } from '@muster/bus';
import type { InstanceHeartbeat, ServiceInstances } from './service-instances.js';

export interface HeartbeatListenerOptions {
  readonly bus: Pick<Bus, 'subscribe'>;
  readonly subject: string;
  readonly read: (data: Uint8Array) => InstanceHeartbeat | undefined;
  readonly instances: Pick<ServiceInstances, 'heard'>;
}

/** Listens to the heartbeats of a service. */
export class HeartbeatListener {
  readonly #options: HeartbeatListenerOptions;
  #subscription: BusSubscription | undefined;

  constructor(options: HeartbeatListenerOptions) {
    this.#options = options;
  }

  start(): void {
    const { bus, subject, read, instances } = this.#options;
    this.#subscription = bus.subscribe(subject, ({ data }) => {
      const heartbeat = read(data);
      if (heartbeat !== undefined) instances.heard(heartbeat);
    });
  }

  stop(): void {
    this.#subscription?.unsubscribe();
  }
}
