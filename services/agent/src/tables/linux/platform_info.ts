import type { Collector } from '../contract/collector.js';

const DMI = '/sys/class/dmi/id';

export const platformInfo: Collector = {
  table: 'platform_info',
  *collect(system) {
    const dmi = (name: string): string => system.word(`${DMI}/${name}`) ?? '';
    yield {
      vendor: dmi('bios_vendor'),
      version: dmi('bios_version'),
      date: dmi('bios_date'),
      revision: dmi('bios_release'),
      extra: '',
      firmware_type: system.exists('/sys/firmware/efi') ? 'uefi' : system.exists(DMI) ? 'bios' : 'unknown',
    };
  },
};
