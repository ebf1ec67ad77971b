import { complaintOf } from '../contract/run-to-end.js';
import type { System } from '../contract/system.js';
import { rpmError } from './parse/rpm.js';

const RPM = '/usr/bin/rpm';

/** What rpm says of the packages with these names, or of all, in the format. Of what it cannot read the answer warns. */
export function runRpm(system: System, format: string, names?: readonly string[]): string {
  // `--` ends the options: what follows is a name, whatever it begins with.
  const which = names === undefined ? ['-a'] : ['--', ...names];
  const output = system.run(RPM, ['-q', '--queryformat', format, ...which], {
    keepOutput: true,
    faultsOf: (end) => {
      const error = rpmError(end.stderr);
      if (error !== undefined) return [`${RPM} ended with ${end.status}: ${error}`];
      const isMissing = names?.some((name) => end.stdout.includes(`package ${name} is not installed`)) === true;
      return end.status === 0 || isMissing ? [] : [complaintOf(RPM, end)];
    },
  });
  return output ?? '';
}
