# The declarations of impermanence, preservation, home-manager and ours, in one form:
#
#   { source; store; path; directory; user; home; own; parent; symlink; hide; trash; options; initrd; target; }
#
# `source` is the option that says it, `user` the one below whose home it is said, or null, and `own` and `parent`
# have user, group and mode, any of which may be null.
{ lib }:

let
  inherit (lib)
    concatLists
    elem
    filter
    filterAttrs
    groupBy
    hasPrefix
    mapAttrs
    mapAttrsToList
    optionalAttrs
    removePrefix
    ;

  none = {
    user = null;
    group = null;
    mode = null;
  };
  owned = group: one: {
    inherit (one) user mode;
    group = if one.group == null then group else one.group;
  };
  place = option: name: ''${option}."${name}"'';
in
rec {
  usual = {
    user = null;
    home = null;
    own = none;
    parent = none;
    symlink = false;
    hide = false;
    trash = false;
    options = [ ];
    initrd = false;
    target = true;
  };

  # What the system's own module for impermanence has evaluated.  A group that is null is that of the user.
  ofImpermanence =
    users: option: persistence:
    concatLists (
      mapAttrsToList (
        name: at:
        if !(at.enable or true) then
          [ ]
        else
          impermanent users (place option name) null at
          ++ concatLists (
            mapAttrsToList (user: impermanent users "${place option name}.users.${user}" user) (
              filterAttrs (user: _: users ? ${user}) (at.users or { })
            )
          )
      ) persistence
    );

  ofHome =
    users: user: option: persistence:
    concatLists (
      mapAttrsToList (
        name: at: if at.enable or true then impermanent users (place option name) user at else [ ]
      ) persistence
    );

  impermanent =
    users: source: user: at:
    let
      group = if user == null then "root" else users.${user}.group;
      common = one: {
        inherit source user;
        home = if user == null then null else users.${user}.home;
        store = one.persistentStoragePath;
      };
    in
    map (
      one:
      usual
      // common one
      // {
        path = one.dirPath;
        directory = true;
        own = owned group one;
        hide = one.hideMount;
        trash = one.allowTrash or false;
      }
    ) at.directories
    ++ map (
      one:
      usual
      // common one
      // {
        path = one.filePath;
        directory = false;
        parent = owned group one.parentDirectory;
        symlink = one.method == "symlink";
      }
    ) at.files;

  ofPreservation =
    users: preserveAt:
    concatLists (
      mapAttrsToList (
        name: at:
        let
          source = place "preservation.preserveAt" name;
          one =
            user: source: entry:
            let
              words = map (option: if option.value == null then option.name else "${option.name}=${option.value}") entry.mountOptions;
              known = [
                "bind"
                "X-fstrim.notrim"
                "x-gvfs-hide"
                "x-gvfs-trash"
              ];
            in
            usual
            // {
              inherit source user;
              home = if user == null then null else at.users.${user}.home;
              store = at.persistentStoragePath;
              path = entry.directory or entry.file;
              directory = entry ? directory;
              own = owned "root" entry;
              parent = if entry.configureParent then owned "root" entry.parent else none;
              symlink = entry.how == "symlink";
              hide = elem "x-gvfs-hide" words;
              trash = elem "x-gvfs-trash" words;
              options = filter (word: !elem word known) words;
              initrd = entry.inInitrd;
              target = entry.createLinkTarget;
            };
          # The parents that it adds for itself are no declarations.
          real = filter (entry: (entry.how or "") != "_intermediate");
          of = user: source: block: map (one user source) (real block.directories ++ block.files);
        in
        of null source at
        ++ concatLists (
          mapAttrsToList (name: block: of name "${source}.users.${name}" block) (
            filterAttrs (_: block: users ? ${block.username}) at.users
          )
        )
      ) preserveAt
    );

  # Each path that is declared more than once, with the options that do.
  twice =
    entries:
    mapAttrsToList (path: several: {
      inherit path;
      sources = lib.unique (map (one: one.source) several);
    }) (filterAttrs (_: several: builtins.length several > 1) (groupBy (one: one.path) entries));

  # The table [persist] of config.toml.
  table =
    entries:
    mapAttrs (
      _: of:
      lists (filter (one: one.user == null || !below one) of)
      // optionalAttrs (filter below of != [ ]) {
        users = mapAttrs (_: theirs: { inherit (lib.head theirs) home; } // lists theirs) (
          groupBy (one: one.user) (filter below of)
        );
      }
    ) (groupBy (one: one.store) entries);

  below = one: one.user != null && hasPrefix "${one.home}/" one.path;

  lists =
    entries:
    let
      kind =
        directory: key:
        let
          found = map item (filter (one: one.directory == directory) entries);
        in
        optionalAttrs (found != [ ]) { ${key} = found; };
    in
    kind true "directories" // kind false "files";

  item =
    one:
    let
      set = filterAttrs (_: value: value != null);
      parent = set one.parent;
    in
    {
      path = if below one then removePrefix "${one.home}/" one.path else one.path;
    }
    // set one.own
    // optionalAttrs one.symlink { method = "symlink"; }
    // optionalAttrs (one.symlink && !one.target) { create-link-target = false; }
    // optionalAttrs one.hide { hide-mount = true; }
    // optionalAttrs one.trash { allow-trash = true; }
    // optionalAttrs (one.options != [ ]) { mount-options = one.options; }
    // optionalAttrs one.initrd { phase = "initrd"; }
    // optionalAttrs (parent != { }) { parent-directory = parent; };
}
