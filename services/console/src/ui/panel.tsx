import type { ReactNode } from 'react';
import { Dialog as AriaDialog, Heading, Modal, ModalOverlay } from 'react-aria-components';
import { Button } from './controls.js';
import styles from './panel.module.css';

/** A dialog over the page, or a drawer at its right side. Escape closes it. */
export function Panel({
  title,
  kind,
  isWide = false,
  isRole = 'dialog',
  onClose,
  children,
}: {
  title: ReactNode;
  kind: 'dialog' | 'drawer';
  isWide?: boolean;
  isRole?: 'dialog' | 'alertdialog';
  onClose?: (() => void) | undefined;
  children: ReactNode;
}) {
  const box = kind === 'drawer' ? styles['drawer'] : `${styles['dialog']} ${isWide ? styles['wide'] : ''}`;
  return (
    <ModalOverlay
      className={styles['veil'] ?? ''}
      data-kind={kind}
      isOpen
      isDismissable={onClose !== undefined}
      isKeyboardDismissDisabled={onClose === undefined}
      onOpenChange={(isOpen) => !isOpen && onClose?.()}
    >
      <Modal className={box ?? ''}>
        <AriaDialog className={styles['inner'] ?? ''} role={isRole}>
          <div className={styles['head']}>
            <Heading slot="title" level={2}>
              {title}
            </Heading>
            {onClose !== undefined && (
              <Button look="quiet" small onPress={onClose} aria-label="Close">
                ✕
              </Button>
            )}
          </div>
          <div className={styles['body']}>{children}</div>
        </AriaDialog>
      </Modal>
    </ModalOverlay>
  );
}
