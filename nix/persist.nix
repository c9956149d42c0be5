# Mount units, and lines of tmpfiles.d that create what they need, of the entries that declared.nix describes.
{ lib }:

let
  inherit (lib)
    concatMap
    concatStringsSep
    filter
    optional
    optionals
    ;
  pure = import ./lib.nix { inherit lib; };

  # A directory of a user's home belongs to the user; everything else to root.
  inHome = one: one.user != null && lib.hasPrefix "${one.home}/" one.path;
  owner = one: if inHome one then one.user else "root";

  parents =
    path:
    let
      names = pure.names path;
      count = builtins.length names;
    in
    builtins.genList (index: "/" + concatStringsSep "/" (lib.take (index + 1) names)) (count - 1);

  # A path as a field of tmpfiles.d(5), and as the argument of a link.
  quoted = path: ''"${lib.replaceStrings [ "\\" "\"" "%" ] [ "\\\\" "\\\"" "%%" ] path}"'';
  argument = lib.replaceStrings [ "\\" "%" " " ] [ "\\\\" "%%" "\\x20" ];

  # A colon: what exists already keeps its owner and mode.
  line =
    type: path: own: rest:
    "${type} ${quoted path} :${or' (pure.octal own.mode) "-"} :${own.user} :${own.group} - ${rest}";

  or' = value: default: if value == null then default else value;
in
rec {
  # Nobody but the user looks into a home, and nobody but root into the state of services with dynamic users.
  modeOf = one: if inHome one || lib.hasPrefix "/var/lib/private" one.path then "0700" else "0755";
  ownOf = groupOf: one: {
    user = or' one.own.user (owner one);
    group = or' one.own.group (groupOf (or' one.own.user (owner one)));
    mode = or' one.own.mode (if one.directory then modeOf one else "0644");
  };
  parentOf = groupOf: one: {
    user = or' one.parent.user (owner one);
    group = or' one.parent.group (groupOf (or' one.parent.user (owner one)));
    mode = or' one.parent.mode "0755";
  };

  # `prefix` is "" or /sysroot; `groupOf` names the group of a user.  What is declared goes before what lies around
  # something declared, and that before what has only to be there.
  tmpfiles =
    {
      groupOf,
      prefix ? "",
    }:
    entries:
    let
      at = path: text: lib.nameValuePair "${prefix}${path}" text;
      directory = path: own: at path (line "d" "${prefix}${path}" own "-");
      both = one: path: own: [
        (directory "${one.store}${path}" own)
        (directory path own)
      ];
      itself =
        one:
        let
          own = ownOf groupOf one;
          type = if one.directory then "d" else "f";
          # The first boot stays a first boot: systemd takes this word for no machine id.
          content = if one.path == "/etc/machine-id" then "uninitialized" else "-";
          source = "${one.store}${one.path}";
          link = "L ${quoted "${prefix}${one.path}"} - - - - ${argument source}";
        in
        optional (!one.symlink || one.target) (at source (line type "${prefix}${source}" own content))
        ++ [ (at one.path (if one.symlink then link else line type "${prefix}${one.path}" own "-")) ];
      around =
        one:
        optionals (lib.any (value: value != null) (lib.attrValues one.parent)) (
          both one (lib.last (parents one.path)) (parentOf groupOf one)
        );
      above =
        one:
        concatMap (
          path:
          let
            user = if inHome one && lib.hasPrefix "${one.home}/" "${path}/" then one.user else "root";
            own = {
              inherit user;
              group = groupOf user;
              mode = if path == "/var/lib/private" || (inHome one && path == one.home) then "0700" else "0755";
            };
          in
          # The home itself is made with its user.
          if inHome one && path == one.home then [ (directory "${one.store}${path}" own) ] else both one path own
        ) (parents one.path);
    in
    lib.attrValues (
      lib.listToAttrs (concatMap itself entries ++ concatMap around entries ++ concatMap above entries)
    );

  mounts =
    {
      prefix ? "",
      service,
      target,
    }:
    entries:
    map (one: {
      what = "${prefix}${one.store}${one.path}";
      where = "${prefix}${one.path}";
      type = "none";
      options = concatStringsSep "," (
        [ "bind" ] ++ optional one.hide "x-gvfs-hide" ++ optional one.trash "x-gvfs-trash" ++ one.options
      );
      requires = [ service ];
      after = [ service ];
      before = [
        target
      ]
      ++ (
        if prefix == "" then
          [
            "umount.target"
            "systemd-tmpfiles-setup.service"
          ]
        else
          [ "initrd-nixos-activation.service" ]
      );
      conflicts = optional (prefix == "") "umount.target";
      wantedBy = [ target ];
      unitConfig.DefaultDependencies = false;
    }) (filter (one: !one.symlink) entries);
}
