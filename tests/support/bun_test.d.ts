// The part of bun:test that the harness uses; Deno's type checker does not know the module.
declare module "bun:test" {
  export function test(name: string, fn: () => void | Promise<void>, timeout?: number): void;
  export namespace test {
    function skip(name: string, fn: () => void | Promise<void>): void;
  }
}
