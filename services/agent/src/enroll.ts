import { createLogger, type Env, systemClock } from '@muster/runtime/program';
import { openDialer } from './network/dialer.js';
import { openAgent } from './agent.js';
import { loadAgentConfig } from './config.js';

/** `muster-agent enroll`: gets a new token now. The agent id stays the same, because it is derived from the key. */
export async function enroll(env: Env): Promise<number> {
  const loaded = loadAgentConfig(env);
  if (!loaded.ok) {
    process.stderr.write(`muster-agent: ${loaded.error.message}\n`);
    return 2;
  }
  const logger = createLogger({ service: 'agent', level: 'warn', destination: process.stderr });
  const agent = openAgent(loaded.config, { dialer: await openDialer(loaded.config, env), clock: systemClock, logger });
  const outcome = await agent.enroller.enrol(new AbortController().signal);
  switch (outcome.kind) {
    case 'enrolled':
      process.stdout.write(`enrolled as ${outcome.agentId} (number ${outcome.num}) in ${loaded.config.org}\n`);
      return 0;
    case 'refused': {
      const { status, code, detail } = outcome.refusal;
      process.stderr.write(`muster-agent: enrolment refused: ${[status, code, detail].filter(Boolean).join(' ')}\n`);
      return 1;
    }
    case 'failed':
      process.stderr.write(`muster-agent: enrolment failed: ${outcome.error.message}\n`);
      return 1;
  }
}
