import type { Collector } from '../contract/collector.js';

export const kernelInfo: Collector = {
  table: 'kernel_info',
  *collect(system) {
    const version = system.word('/proc/sys/kernel/osrelease');
    if (version === undefined) return;
    const words = (system.word('/proc/cmdline') ?? '').split(/\s+/);
    const value = (key: string): string =>
      words.find((word) => word.startsWith(`${key}=`))?.slice(key.length + 1) ?? '';
    const rest = words.filter((word) => !/^(BOOT_IMAGE|root)=/.test(word));
    yield { version, arguments: rest.join(' '), path: value('BOOT_IMAGE'), device: value('root') };
  },
};
