# The daemon, the command, and what both need of the system; the program of the initrd is in rollback.nix.
{
  lib,
  python3Packages,
  btrfs-progs,
  callPackage,
  coreutils,
  glib,
  gobject-introspection,
  scdoc,
  systemd,
  util-linux,
  wrapGAppsNoGuiHook,
  rollback ? callPackage ./rollback.nix { },
}:

let
  source = import ./source.nix { inherit lib; };
in
python3Packages.buildPythonApplication {
  pname = "impermanenced";
  inherit (source) version;
  pyproject = true;
  src = source.only [
    "impermanenced"
    "initrd/rollback/rollback.mk"
    "start"
    "systemd"
    "docs"
    "pyproject.toml"
    "README.md"
    "LICENSE"
  ];

  build-system = [ python3Packages.setuptools ];
  # `systemd` is no package there, and `btrfs` is another library: these are the ones that the program imports.
  dependencies = with python3Packages; [
    btrfsutil
    pydbus
    pygobject3
    structlog
    systemd-python
    watchdog
  ];
  nativeBuildInputs = [
    gobject-introspection
    scdoc
    wrapGAppsNoGuiHook
  ];
  buildInputs = [ glib ];

  postPatch = ''
    substituteInPlace impermanenced/boots/examine.py \
      --replace-fail /usr/lib/impermanence/impermanence-rollback ${rollback}/lib/impermanence/impermanence-rollback
    substituteInPlace systemd/*.service systemd/user/*.service \
      --replace-quiet /usr/bin/true ${coreutils}/bin/true \
      --replace-quiet /bin/kill ${coreutils}/bin/kill \
      --replace-quiet /usr/bin/impermanence "$out/bin/impermanence" \
      --replace-quiet /usr/lib/impermanence/ "$out/lib/impermanence/"
    substituteInPlace systemd/dbus/*.service --replace-fail /bin/false ${coreutils}/bin/false
    if grep -rn '=/usr/\|=/bin/' systemd; then exit 1; fi
  '';

  # The compiler's wrapper brings the hardening, and another compiler may have other warnings.
  postBuild = ''
    make -f start/start.mk CC="$CC" ROLLBACK_WARNINGS=-std=gnu17 ROLLBACK_HARDENING= build/impermanenced-start
    for page in docs/*.scd; do
      scdoc <"$page" >"''${page%.scd}"
    done
  '';

  postInstall = ''
    install -D -m 0755 -t "$out/lib/impermanence" build/impermanenced-start
    install -D -m 0644 -t "$out/lib/systemd/system" systemd/*.service systemd/*.timer
    install -D -m 0644 -t "$out/lib/systemd/user" systemd/user/*.service
    install -D -m 0644 -t "$out/lib/systemd/catalog" systemd/*.catalog
    install -D -m 0644 -t "$out/share/dbus-1/system.d" systemd/dbus/*.conf
    install -D -m 0644 -t "$out/share/dbus-1/system-services" systemd/dbus/*.service
    install -D -m 0644 -t "$out/share/dbus-1/interfaces" systemd/dbus/*.xml
    install -D -m 0644 -t "$out/share/polkit-1/actions" systemd/polkit/*.policy
    install -D -m 0644 -t "$out/share/impermanence" docs/report.schema.json docs/config.toml.sample
    for page in docs/*.[158]; do
      install -D -m 0644 "$page" "$out/share/man/man''${page##*.}/''${page##*/}"
    done
  '';

  # One wrapper holds both the modules of Python and the typelibs of GLib.
  dontWrapGApps = true;
  makeWrapperArgs = [
    "\${gappsWrapperArgs[@]}"
    "--prefix PATH : ${
      lib.makeBinPath [
        btrfs-progs
        systemd
        util-linux
      ]
    }"
  ];

  # The tests need root, loop devices and a bus: `make test` runs them.
  doCheck = false;
  pythonImportsCheck = [
    "impermanenced.cli.main"
    "impermanenced.daemon.main"
  ];

  passthru = { inherit rollback; };
  meta = {
    description = "Rolls back, watches and reports on impermanent Linux systems";
    license = lib.licenses.mit;
    platforms = lib.platforms.linux;
    mainProgram = "impermanence";
  };
}
