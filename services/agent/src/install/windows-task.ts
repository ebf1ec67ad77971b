import { win32 } from 'node:path';
import { escapeXml, type Installation, runLine, type ServicePlan } from './service-plan.js';

const TASK = 'MusterAgent';

/**
 * A scheduled task that starts with the machine, as LocalSystem, and is started again when it ends. It is not a
 * service, because Node has no API for the service control manager: `sc.exe create` fails with error 1053. A wrapper
 * would be a second program to trust.
 */
export function windowsTask(installation: Installation): ServicePlan {
  const { configFile, observe } = installation;
  const [program = '', ...args] = runLine(installation);
  const folder = win32.dirname(configFile);
  const definition = win32.join(folder, 'task.xml');
  // The environment overrides the file. A task has no own variables, so cmd.exe sets this one.
  const [command, line] = observe
    ? [
        '%SystemRoot%\\System32\\cmd.exe',
        `/d /s /c "set MUSTER_AGENT_ACTIONS=none&& ${[program, ...args].map(quoted).join(' ')}"`,
      ]
    : [program, args.map(quoted).join(' ')];
  const xml = `<?xml version="1.0" encoding="UTF-16"?>
<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
  <RegistrationInfo><Description>Muster agent</Description></RegistrationInfo>
  <Triggers><BootTrigger><Enabled>true</Enabled></BootTrigger></Triggers>
  <Principals>
    <Principal id="Author"><UserId>S-1-5-18</UserId><RunLevel>HighestAvailable</RunLevel></Principal>
  </Principals>
  <Settings>
    <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>
    <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>
    <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>
    <StartWhenAvailable>true</StartWhenAvailable>
    <ExecutionTimeLimit>PT0S</ExecutionTimeLimit>
    <Priority>7</Priority>
    <RestartOnFailure><Interval>PT1M</Interval><Count>999</Count></RestartOnFailure>
  </Settings>
  <Actions Context="Author">
    <Exec><Command>${escapeXml(command)}</Command><Arguments>${escapeXml(line)}</Arguments></Exec>
  </Actions>
</Task>
`;
  return {
    files: [
      { path: definition, content: Buffer.from(`\uFEFF${xml.replaceAll('\n', '\r\n')}`, 'utf16le'), mode: 0o600 },
    ],
    install: [
      // The folder contains secrets: access for LocalSystem and administrators only, by SID, because their names are translated.
      ['icacls', folder, '/inheritance:r', '/grant:r', '*S-1-5-18:(OI)(CI)F', '*S-1-5-32-544:(OI)(CI)F'],
      ['schtasks', '/Create', '/F', '/TN', TASK, '/XML', definition],
      ['schtasks', '/Run', '/TN', TASK],
    ],
    uninstall: [
      ['schtasks', '/End', '/TN', TASK],
      ['schtasks', '/Delete', '/F', '/TN', TASK],
    ],
    afterwards: [],
    status: ['schtasks', '/Query', '/TN', TASK],
  };
}

/** Quotes a word for CommandLineToArgvW. Our words have no quotes and do not end in a backslash. */
function quoted(word: string): string {
  return /[\s&()^]/.test(word) ? `"${word}"` : word;
}
