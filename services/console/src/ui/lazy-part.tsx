import { lazy, type ComponentType, type LazyExoticComponent } from 'react';
import { Button } from './controls.js';
import { Notice } from './notice.js';

/**
 * A part of a page in a file of its own. After an update of the API the files of an older page are gone: then a line in
 * its place says so, and the rest of the page stays as it is.
 */
export function lazyPart<Props extends object>(
  load: () => Promise<ComponentType<Props>>,
): LazyExoticComponent<ComponentType<Props>> {
  return lazy(async () => ({ default: await load().catch((): ComponentType<Props> => ReloadNotice) }));
}

/** Says that a part of the console could not be loaded. What is typed may be copied before the page is loaded again. */
export function ReloadNotice() {
  return (
    <Notice tone="danger">
      <span>This part of the console cannot be loaded: it may have been updated since this page was opened.</span>
      <Button small onPress={() => globalThis.location.reload()}>
        Load the page again
      </Button>
    </Notice>
  );
}
