/** Parses `/proc/cpuinfo`. Without core ids, each thread counts as a core. */
export function parseCpuinfo(text: string) {
  const cpus = text
    .split('\n\n')
    .map(
      (block) =>
        new Map(Array.from(block.matchAll(/^([^:\n]+?)\s*: ?(.*)$/gm), ([, key = '', value = '']) => [key, value])),
    )
    .filter((cpu) => cpu.has('processor'));
  const first = cpus[0] ?? new Map<string, string>();
  const cores = new Set(cpus.map((cpu) => coreOf(cpu)));
  const sockets = new Set(cpus.map((cpu) => cpu.get('physical id') ?? '0'));
  return {
    brand: first.get('model name') ?? first.get('Model') ?? '',
    model: first.get('model') ?? first.get('CPU part') ?? '',
    microcode: first.get('microcode') ?? '',
    threads: cpus.length,
    cores: cores.size,
    sockets: cpus.length === 0 ? 0 : sockets.size,
  };
}

function coreOf(cpu: ReadonlyMap<string, string>): string {
  const core = cpu.get('core id');
  return core === undefined ? `thread ${cpu.get('processor')}` : `${cpu.get('physical id') ?? '0'} ${core}`;
}
