// @peculiar/x509 needs Reflect.getMetadata when its own module is evaluated. Only a module of its
// own, imported before it, keeps that order in Bun's bundles.
import "reflect-metadata";

/** Keeps bundlers from dropping this module. */
export const reflected = typeof Reflect;
