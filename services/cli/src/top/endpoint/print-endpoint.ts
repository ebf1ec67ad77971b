import type { CommandEnv } from '../../environment/command-env.js';
import { EXIT, type ExitCode } from '../../terminal/cli-error.js';
import { escapeControls } from '../../terminal/escape.js';
import { endpointEvents } from './endpoint-events.js';
import { EndpointState, type EndpointFacts } from './endpoint-state.js';
import { SampleWriter, type SampleOutput } from './sample-writer.js';

export interface PrintOptions {
  readonly output: SampleOutput;
  readonly once: boolean;
  /** How much of the past to print first; undefined: none. */
  readonly past: string | undefined;
}

/** The sample before the first one, without which no rate is known. */
const FOR_RATES = '5s';

/** Prints samples as they come, until Ctrl-C, the end of the reader, or (`once`) the first. */
export async function printEndpoint(
  env: CommandEnv,
  agent: EndpointFacts,
  { output, once, past }: PrintOptions,
): Promise<ExitCode> {
  const { stdout, stderr } = env.terminal;
  const stop = new AbortController();
  const offInterrupt = env.terminal.onInterrupt(() => {
    offInterrupt();
    stop.abort();
  });
  const state = new EndpointState(agent, () => performance.now());
  const writer = new SampleWriter(stdout, output);
  const host = escapeControls(agent.host);
  const onLost = (): void => {
    if (state.scene().state !== 'lost') void stderr.write('connection lost, trying again\n').catch(() => undefined);
    state.lost();
  };
  const options = {
    client: env.client(),
    agentId: agent.agentId,
    past: past ?? FOR_RATES,
    signal: stop.signal,
    onLost,
  };
  let isPrinting = past !== undefined && !once;
  try {
    for await (const event of endpointEvents(options)) {
      const before = state.scene().state;
      const sample = state.take(event);
      if (sample !== undefined) {
        isPrinting ||= sample.from === 'live';
        if (isPrinting) await writer.sample(sample);
        if (once && isPrinting) return EXIT.complete;
      } else if (event.event === 'processes' || event.event === 'state') {
        if (!once) await writer.event(event);
        if (state.scene().state === 'away' && before !== 'away') {
          await stderr.write(`${host} is not connected${once ? '' : '; its samples are printed as soon as it is'}\n`);
          if (once) return EXIT.partial;
        }
      }
    }
    return EXIT.interrupted;
  } finally {
    stop.abort();
    offInterrupt();
  }
}
