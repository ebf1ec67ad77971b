/** The text of a configuration file with these settings. Throws on values that such a file cannot contain. */
export function settingsFile(settings: readonly (readonly [name: string, value: string])[]): string {
  const lines = settings.map(([name, value]) => `${name}=${quoted(name, value)}\n`);
  return `# Settings of muster-agent, one NAME=value a line: docs/settings.md lists them. Restart the agent after a change.\n${lines.join('')}`;
}

/** Parses the `NAME=value` of `--set`. Throws on anything else. */
export function parseSetting(text: string): readonly [name: string, value: string] {
  const [, name, value] = /^([A-Za-z_][A-Za-z0-9_]*)=(.*)$/s.exec(text) ?? [];
  if (name === undefined || value === undefined) throw new Error('--set takes NAME=value');
  return [name, value];
}

function quoted(name: string, value: string): string {
  if (/^[\w@%+=:,./-]*$/.test(value)) return value;
  // Only within double quotes a backslash is special.
  const quote = ["'", '`', '"'].find((one) => !value.includes(one) && !(one === '"' && value.includes('\\')));
  if (quote === undefined || /[\n\r]/.test(value))
    throw new Error(`${name} has characters that a configuration file cannot hold`);
  return `${quote}${value}${quote}`;
}
