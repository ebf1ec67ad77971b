import { createMetrics, type Metrics } from './metrics.js';
import { runProgram, type Program, type ProgramContext } from './run-program.js';

export interface ServiceContext extends ProgramContext {
  readonly metrics: Metrics;
}

/** A program of the server side. `name` is also part of the name of each of its metrics. */
export type Service<C extends object> = Program<C, ServiceContext>;

/** `runProgram` for a service: the same life cycle, with metrics. */
export function runService<C extends object>(service: Service<C>): Promise<void> {
  return runProgram({
    ...service,
    build: (config, context) => service.build(config, { ...context, metrics: createMetrics(service.name) }),
  });
}
