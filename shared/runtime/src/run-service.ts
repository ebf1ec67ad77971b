import { createMetrics, type Metrics } from './metrics.js';
import { runProgram, type Program, type ProgramContext } from './run-program.js';

/** What every service is given to build itself with. */
export interface ServiceContext extends ProgramContext {
  readonly metrics: Metrics;
}

/** A program that is operated by us: `name` is also the middle of every metric's name. */
export type Service<C extends object> = Program<C, ServiceContext>;

/** `runProgram` for a service: the same life, with metrics. */
export function runService<C extends object>(service: Service<C>): Promise<void> {
  return runProgram({
    ...service,
    build: (config, context) => service.build(config, { ...context, metrics: createMetrics(service.name) }),
  });
}
