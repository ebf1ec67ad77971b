/** Names by hex ids: `vendor`, `vendor device`, `vendor device subvendor subdevice`; classes by `cc` and `ccss`. */
export interface PciNames {
  readonly devices: ReadonlyMap<string, string>;
  readonly classes: ReadonlyMap<string, string>;
}

/** Parses pci.ids: what belongs to a line is below it, one tab further in. */
export function parsePciIds(text: string): PciNames {
  const devices = new Map<string, string>();
  const classes = new Map<string, string>();
  let top = '';
  let middle = '';
  let isClass = false;
  for (const [, tabs = '', mark, id = '', sub, name = ''] of text.matchAll(
    /^(\t{0,2})(C )?([0-9a-f]{2,4})(?: ([0-9a-f]{4}))? {2}(.*)$/gm,
  )) {
    if (tabs === '') {
      isClass = mark !== undefined;
      top = id;
      (isClass ? classes : devices).set(id, name);
    } else if (tabs === '\t') {
      middle = id;
      if (isClass) classes.set(top + id, name);
      else devices.set(`${top} ${id}`, name);
    } else if (!isClass && sub !== undefined) devices.set(`${top} ${middle} ${id} ${sub}`, name);
  }
  return { devices, classes };
}
