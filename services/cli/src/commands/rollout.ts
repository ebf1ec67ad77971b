import type { BodyOf, operations } from '@muster/api-contract';
import { usageError } from '../terminal/cli-error.js';

type CommandBody = BodyOf<(typeof operations)['submitCommand']>;
/** The rollout of a command as the API takes it. */
export type RolloutBody = NonNullable<CommandBody['rollout']>;

const HINT = 'canary=1,step=10%,pause=30s,abort_over=5%';

/** `--rollout canary=1,step=10%,pause=30s,abort_over=5%`; parts that are left out get the server's default. @throws CliError */
export function parseRollout(text: string): RolloutBody {
  const parts = new Map<string, string>();
  for (const part of text.split(',')) {
    const [name = '', ...rest] = part.trim().split('=');
    if (rest.length !== 1 || rest[0] === '') throw usageError(`--rollout: "${part}" is not name=value`, HINT);
    if (parts.has(name)) throw usageError(`--rollout says ${name} twice`, HINT);
    parts.set(name, rest[0] ?? '');
  }
  const body: { canary?: number; step?: number | string; pause?: string; abortOver?: string } = {};
  for (const [name, value] of parts) {
    switch (name) {
      case 'canary':
        body.canary = count(name, value);
        break;
      case 'step':
        body.step = value.endsWith('%') ? percentage(name, value) : count(name, value);
        break;
      case 'pause':
        if (!/^\d+(ms|s|m|h)$/.test(value))
          throw usageError(`--rollout: pause is a duration such as 30s, not "${value}"`);
        body.pause = value;
        break;
      case 'abort_over':
        body.abortOver = percentage(name, value);
        break;
      default:
        throw usageError(`--rollout has no "${name}"`, HINT);
    }
  }
  return body;
}

function count(name: string, value: string): number {
  if (!/^\d{1,9}$/.test(value) || Number(value) < 1)
    throw usageError(
      `--rollout: ${name} is a number of endpoints above 0${name === 'step' ? ' or a percentage' : ''}, not "${value}"`,
    );
  return Number(value);
}

function percentage(name: string, value: string): string {
  // The server accepts a step in whole percent only.
  const form = name === 'step' ? /^\d{1,3}%$/ : /^\d{1,3}(\.\d{1,3})?%$/;
  const share = Number(value.slice(0, -1));
  if (!form.test(value) || share > 100 || (name === 'step' && share === 0))
    throw usageError(`--rollout: ${name} is a percentage such as 5%, not "${value}"`);
  return value;
}
