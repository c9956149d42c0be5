# services.impermanenced.persist: our own declarations, in the form of impermanence's, which make the mounts.
{
  config,
  lib,
  pkgs,
  ...
}:

let
  inherit (lib)
    attrNames
    concatLists
    concatMap
    concatStringsSep
    filter
    mapAttrsToList
    mkOption
    types
    unique
    ;
  cfg = config.services.impermanenced;
  declared = import ../declared.nix { inherit lib; };
  pure = import ../lib.nix { inherit lib; };
  persist = import ../persist.nix { inherit lib; };
  here = "services.impermanenced.persist";
  users = config.users.users;

  # What is read before the system's own mounts are made: by PID 1, and by the activation that gives out user ids.
  early = [
    "/etc/machine-id"
    "/var/lib/nixos"
  ];

  entry =
    user: home: store: source: directory: one:
    let
      path = "/" + pure.plain (if home == null then one.path else "${home}/${one.path}");
    in
    declared.usual
    // {
      inherit
        source
        user
        home
        store
        path
        directory
        ;
      own = { inherit (one) user group mode; };
      parent = { inherit (one.parentDirectory) user group mode; };
      symlink = one.method == "symlink";
      hide = one.hideMount;
      trash = one.allowTrash;
      options = one.mountOptions;
      target = one.createLinkTarget;
      initrd = one.inInitrd || builtins.elem path early;
    };
  ofBlock =
    user: home: store: source: block:
    map (entry user home store source true) block.directories
    ++ map (entry user home store source false) block.files;
  ofUser =
    user: store: source: block:
    lib.optionals (users ? ${user}) (ofBlock user users.${user}.home store source block);
  ofSystem = concatLists (
    mapAttrsToList (
      name: block:
      let
        source = ''${here}."${name}"'';
      in
      ofBlock null null name source block
      ++ concatLists (mapAttrsToList (user: ofUser user name "${source}.users.${user}") block.users)
    ) cfg.persist
  );
  ofHomes = concatLists (
    mapAttrsToList (
      user: home:
      concatLists (
        mapAttrsToList (name: ofUser user name ''home-manager.users.${user}.${here}."${name}"'') (
          home.services.impermanenced.persist or { }
        )
      )
    ) (lib.filterAttrs (user: _: users ? ${user}) (config.home-manager.users or { }))
  );
  entries = ofSystem ++ ofHomes;

  # The units
  groupOf = user: if users ? ${user} then users.${user}.group else "root";
  inInitrd = filter (one: one.initrd) entries;
  stores = unique (map (one: one.store) entries);
  service = "impermanence-persist.service";
  lines = prefix: of: concatStringsSep "\n" (persist.tmpfiles { inherit groupOf prefix; } of) + "\n";
  file = pkgs.writeText "impermanence-persist.conf" (lines "" entries);
  initrdFile = pkgs.writeText "impermanence-persist-initrd.conf" (lines "/sysroot" inInitrd);

  # The assertions
  fail = message: {
    assertion = false;
    message = pure.oneLine message;
  };
  shown = builtins.replaceStrings [ "\n" "\r" "\t" ] [ "\\n" "\\r" "\\t" ];
  parts = path: lib.splitString "/" path;
  pathFault =
    one:
    if builtins.match ".*[[:cntrl:]].*" one.path != null then
      "it has a character that cannot be seen"
    else if builtins.elem ".." (parts one.path) then
      ''it has ".." in it: say the path that it leads to''
    else if one.path == "/" || one.path == one.home then
      "it is the whole ${if one.home == null then "root" else "home"}"
    else if lib.any (pure.within one.path) [ "/dev" "/proc" "/run" "/sys" ] then
      "the kernel and systemd make it anew at each boot"
    else if lib.any (store: pure.within one.path store || pure.within store one.path) stores then
      "it and the persist volume lie in one another"
    else
      null;
  # Values that become words of tmpfiles.d(5) and of a unit.
  valueFaults =
    one:
    let
      set = filter (value: value != null);
      bad = pattern: filter (value: builtins.match pattern value == null);
      modes = filter (mode: pure.octal mode == null) (set [ one.own.mode one.parent.mode ]);
      owners = bad "[A-Za-z0-9_.][A-Za-z0-9_.-]*\\$?" (set [ one.own.user one.own.group one.parent.user one.parent.group ]);
      options = bad "[^,[:space:][:cntrl:]]+" one.options;
      said = what: value: fail ''${one.source}: "${shown value}", of ${shown one.path}, is no ${what}.'';
    in
    map (said "mode such as 0750 or u=rwx,g=rx,o=") modes
    ++ map (said "name of a user or a group") owners
    ++ map (said "single mount option") options;
  fileSystemOf =
    store:
    let
      above = filter (mountpoint: mountpoint == "/" || pure.within store mountpoint) (attrNames config.fileSystems);
    in
    lib.foldl' (best: one: if builtins.stringLength one > builtins.stringLength best then one else best) "" above;
  storeFaults =
    store:
    let
      mountpoint = fileSystemOf store;
      early = filter (one: one.store == store) inInitrd;
    in
    lib.optional (!lib.hasPrefix "/" store) (fail ''${here}."${shown store}": a persist volume is named by its absolute path.'')
    ++ lib.optional (lib.elem mountpoint [ "" "/" ]) (fail ''
      ${here}."${shown store}": no fileSystems entry is mounted there, so it is a directory of the root and would be wiped with it.
      Give it a subvolume of its own, and mount that by fileSystems."${shown store}".'')
    ++ lib.optional (early != [ ] && config.fileSystems ? ${mountpoint} && !config.fileSystems.${mountpoint}.neededForBoot) (fail ''
      ${here}."${shown store}": ${(lib.head early).path} has to be there before the system starts: set
      fileSystems."${mountpoint}".neededForBoot = true.'');
  foreign = filter (
    one: lib.any (owner: owner != null && owner != "root") [ one.own.user one.own.group ] || one.user != null
  ) inInitrd;
in
{
  options.services.impermanenced = {
    persist = mkOption {
      type = import ./declarations.nix {
        inherit lib;
        home = false;
      };
      default = { };
      example = lib.literalExpression ''
        {
          "/persist" = {
            hideMounts = true;
            directories = [ "/var/log" { directory = "/var/lib/colord"; user = "colord"; group = "colord"; mode = "0750"; } ];
            files = [ "/etc/machine-id" ];
            users.alice.directories = [ ".ssh" "Documents" ];
          };
        }
      '';
      description = ''
        What persists, by the path of the persist volume: bind mounts or links are made for each.  Leave out what
        {option}`environment.persistence` or {option}`preservation.preserveAt` declares: that is read from there.
      '';
    };

    persistEntries = mkOption {
      type = types.raw;
      internal = true;
      readOnly = true;
      default = entries;
      description = "The declarations of our own, in the form of declared.nix.";
    };
  };

  config = lib.mkIf (cfg.enable && entries != [ ]) {
    assertions =
      concatMap (
        one:
        let
          fault = pathFault one;
        in
        lib.optional (fault != null) (fail ''${one.source}: "${shown one.path}": ${fault}.'') ++ valueFaults one
      ) entries
      ++ concatMap storeFaults stores
      ++ map (
        one:
        fail ''
          ${one.source}: ${shown one.path} is to be there before the system starts, when only root has a name: leave
          inInitrd out, or let it belong to root.''
      ) foreign
      ++ lib.optional (!config.boot.initrd.systemd.enable && inInitrd != [ ]) (fail ''
        ${here}: ${(lib.head inInitrd).path} has to be there before the system starts, which needs
        boot.initrd.systemd.enable = true.'');

    systemd.services.impermanence-persist = {
      description = "Create what declarations need";
      documentation = [ "man:impermanence-config(5)" ];
      wantedBy = [ "local-fs.target" ];
      before = [
        "local-fs.target"
        "systemd-tmpfiles-setup.service"
        "shutdown.target"
      ];
      conflicts = [ "shutdown.target" ];
      after = [
        "systemd-remount-fs.service"
        "systemd-sysusers.service"
        "userborn.service"
      ];
      unitConfig = {
        DefaultDependencies = false;
        RequiresMountsFor = stores;
      };
      serviceConfig = {
        Type = "oneshot";
        RemainAfterExit = true;
        ExecStart = "${config.systemd.package}/bin/systemd-tmpfiles --create ${file}";
        # What could not be made is said, and no other mount waits for it.
        SuccessExitStatus = "DATAERR CANTCREAT";
      };
    };
    systemd.mounts = persist.mounts {
      inherit service;
      target = "local-fs.target";
    } (filter (one: !one.initrd) entries);

    boot.initrd.systemd = lib.mkIf (inInitrd != [ ]) {
      storePaths = [ initrdFile ];
      services.impermanence-persist = {
        description = "Create what early declarations need";
        requiredBy = [ "initrd.target" ];
        before = [
          "initrd.target"
          "initrd-nixos-activation.service"
          "shutdown.target"
        ];
        conflicts = [ "shutdown.target" ];
        unitConfig = {
          DefaultDependencies = false;
          RequiresMountsFor = [ "/sysroot" ] ++ map (store: "/sysroot${store}") (unique (map (one: one.store) inInitrd));
        };
        serviceConfig = {
          Type = "oneshot";
          RemainAfterExit = true;
          ExecStart = "systemd-tmpfiles --create ${initrdFile}";
          SuccessExitStatus = "DATAERR CANTCREAT";
        };
      };
      mounts = persist.mounts {
        inherit service;
        prefix = "/sysroot";
        target = "initrd.target";
      } inInitrd;
      # The id is where it belongs already; there is nothing to commit, except at the first boot.
      suppressedUnits = lib.mkIf (lib.any (one: one.path == "/etc/machine-id") inInitrd) [
        "systemd-machine-id-commit.service"
      ];
    };
    systemd.services.systemd-machine-id-commit = lib.mkIf (lib.any (one: one.path == "/etc/machine-id") inInitrd) {
      unitConfig.ConditionFirstBoot = true;
    };
  };
}
