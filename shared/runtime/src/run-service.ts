import { createMetrics, type Metrics } from './metrics.js';
import { runProgram, type Program, type ProgramContext } from './run-program.js';
import { openTracer } from './open-tracer.js';
import type { Tracer } from './tracer.js';

export interface ServiceContext extends ProgramContext {
  readonly metrics: Metrics;
  readonly tracer: Tracer;
}

/** A program of the server side. `name` is also part of the name of each of its metrics. */
export type Service<C extends object> = Program<C, ServiceContext>;

/** `runProgram` for a service: the same life cycle, with metrics and traces. */
export function runService<C extends object>(service: Service<C>): Promise<void> {
  return runProgram({
    ...service,
    build: async (config, context) => {
      const metrics = createMetrics(service.name);
      const tracer = await openTracer(service.env, { logger: context.logger, metrics });
      // The first that is registered stops last: what others end while they stop is sent too.
      context.runner.defer('tracer', () => tracer.stop());
      await service.build(config, { ...context, metrics, tracer });
    },
  });
}
