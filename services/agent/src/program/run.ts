import { type Env, runProgram } from '@muster/runtime/program';
import { loadAgentConfig } from '../config.js';
import { buildAgent } from '../run.js';

/** `muster-agent run`: until a signal ends it. */
export function run(env: Env): Promise<void> {
  return runProgram({
    name: 'agent',
    env,
    load: loadAgentConfig,
    build: (config, context) => buildAgent(config, context, env),
  });
}
