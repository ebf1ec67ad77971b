import { escapeXml, type Installation, runLine, type ServicePlan } from './service-plan.js';

const LABEL = 'io.muster.agent';
const PLIST = `/Library/LaunchDaemons/${LABEL}.plist`;

/** A launchd daemon (launchd.plist(5)). It runs as root; Full Disk Access must be granted by MDM or by hand. */
export function launchd(installation: Installation): ServicePlan {
  const strings = runLine(installation).map((word) => `    <string>${escapeXml(word)}</string>`);
  const observe = installation.observe
    ? '\n  <key>EnvironmentVariables</key>\n  <dict><key>MUSTER_AGENT_ACTIONS</key><string>none</string></dict>'
    : '';
  const plist = `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
  <key>Label</key><string>${LABEL}</string>
  <key>ProgramArguments</key>
  <array>
${strings.join('\n')}
  </array>${observe}
  <key>RunAtLoad</key><true/>
  <key>KeepAlive</key><true/>
  <key>ThrottleInterval</key><integer>10</integer>
  <key>ExitTimeOut</key><integer>35</integer>
  <key>ProcessType</key><string>Background</string>
  <key>Umask</key><integer>63</integer>
  <key>StandardOutPath</key><string>/var/log/muster-agent.log</string>
  <key>StandardErrorPath</key><string>/var/log/muster-agent.log</string>
</dict>
</plist>
`;
  return {
    files: [{ path: PLIST, content: plist, mode: 0o644 }],
    install: [
      ['launchctl', 'bootstrap', 'system', PLIST],
      ['launchctl', 'enable', `system/${LABEL}`],
      ['launchctl', 'kickstart', '-k', `system/${LABEL}`],
    ],
    uninstall: [['launchctl', 'bootout', `system/${LABEL}`]],
    afterwards: [],
    status: ['launchctl', 'print', `system/${LABEL}`],
  };
}
