# The program of the initrd: one static file.
{ lib, stdenv }:

let
  source = import ./source.nix { inherit lib; };
in
stdenv.mkDerivation {
  pname = "impermanence-rollback";
  inherit (source) version;
  src = source.only [ "initrd/rollback" ];

  # The compiler's wrapper brings the hardening, and another compiler may have other warnings.
  buildInputs = lib.optional stdenv.hostPlatform.isGnu stdenv.cc.libc.static;
  buildPhase = ''
    runHook preBuild
    make -f initrd/rollback/rollback.mk CC="$CC" ROLLBACK_WARNINGS=-std=gnu17 ROLLBACK_HARDENING= \
      build/impermanence-rollback
    runHook postBuild
  '';
  installPhase = ''
    runHook preInstall
    install -D -m 0755 build/impermanence-rollback "$out/lib/impermanence/impermanence-rollback"
    runHook postInstall
  '';

  meta = {
    description = "Puts BTRFS volumes back to their blanks in the initrd";
    license = lib.licenses.mit;
    platforms = lib.platforms.linux;
    mainProgram = "impermanence-rollback";
  };
}
