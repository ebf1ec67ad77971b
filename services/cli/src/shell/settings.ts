import { OUTPUTS, type Output } from '../query/results.js';
import { usageError } from '../terminal/cli-error.js';

/** How the shell asks, until it is told otherwise. */
export interface ShellSettings {
  target: string;
  group: boolean;
  timeout: string | undefined;
  output: Output;
  timing: boolean;
}

export const HELP = `SQL runs at its semicolon, on several lines too. Ctrl-C cancels a query, Ctrl-D leaves.
  .tables [TEXT]       tables whose name has this
  .schema TABLE        its columns
  .target [SELECTOR]   which endpoints are asked; empty: all
  .group on|off        equal rows become one
  .timeout DURATION    how long endpoints may take
  .output FORM         ${OUTPUTS.join(', ')}
  \\x                   one line for each value, on or off
  \\timing              how long it took, on or off
  .help, .quit (\\q)
`;

/**
 * Changes a setting. Returns what to say of it, or `undefined` when the word is no setting.
 * @throws CliError for a value that is none
 */
export function changeSetting(settings: ShellSettings, word: string, value: string): string | undefined {
  switch (word) {
    case '.target':
      settings.target = value;
      return value === '' ? 'asks all endpoints' : `asks ${value}`;
    case '.group':
      settings.group = onOrOff(value);
      return `group is ${settings.group ? 'on' : 'off'}`;
    case '.timeout':
      settings.timeout = value === '' ? undefined : value;
      return `timeout is ${value === '' ? 'that of the server' : value}`;
    case '.output': {
      const output = OUTPUTS.find((one) => one === value);
      if (output === undefined) throw usageError(`.output ${value} is none`, OUTPUTS.join(', '));
      settings.output = output;
      return `output is ${output}`;
    }
    case '\\x':
      settings.output = settings.output === 'vertical' ? 'table' : 'vertical';
      return `output is ${settings.output}`;
    case '\\timing':
      settings.timing = !settings.timing;
      return `timing is ${settings.timing ? 'on' : 'off'}`;
    default:
      return undefined;
  }
}

function onOrOff(value: string): boolean {
  if (value === 'on' || value === 'off') return value === 'on';
  throw usageError(`"${value}" is neither on nor off`);
}
