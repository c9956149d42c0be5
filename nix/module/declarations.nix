# The type of services.impermanenced.persist, here and in a home: the words are those of impermanence and preservation.
{ lib, home }:

let
  inherit (lib) mkOption types;

  nullable =
    type: description:
    mkOption {
      type = types.nullOr type;
      default = null;
      inherit description;
    };
  switch =
    default: description:
    mkOption {
      type = types.bool;
      inherit default description;
    };
  owner = {
    user = nullable types.str "The owner, if it has to be created; null: root, or the user in whose home it is.";
    group = nullable types.str "The group, if it has to be created; null: that of the owner.";
    mode = nullable types.str "The mode, if it has to be created.";
  };

  entry =
    block: word:
    types.coercedTo types.str (path: { ${word} = path; }) (
      types.submodule (
        { config, ... }:
        {
          options =
            owner
            // {
              ${word} = mkOption {
                type = types.str;
                description = "The path.";
              };
              path = mkOption {
                type = types.str;
                internal = true;
                readOnly = true;
                default = config.${word};
                description = "The path, whatever it is the path of.";
              };
              method = mkOption {
                type = types.enum [
                  "bind"
                  "symlink"
                ];
                default = "bind";
                description = "A bind mount, or a symbolic link.";
              };
              hideMount = switch block.hideMounts "Whether file managers hide the mount.";
              allowTrash = switch block.allowTrash "Whether file managers may keep a trash in the mount.";
              mountOptions = mkOption {
                type = types.listOf types.str;
                default = block.mountOptions;
                description = "Options of the mount besides bind.";
              };
              createLinkTarget = switch true "With a symbolic link: whether what it leads to is created.";
              parentDirectory = mkOption {
                type = types.submodule { options = owner; };
                default = { };
                description = "How to create the directory around it.";
              };
              inInitrd = switch false "Whether it is there before the system starts.";
            };
        }
      )
    );

  lists = block: {
    directories = mkOption {
      type = types.listOf (entry block "directory");
      default = [ ];
      description = "Directories, each as a path or as a set with one.";
    };
    files = mkOption {
      type = types.listOf (entry block "file");
      default = [ ];
      description = "Files, each as a path or as a set with one.";
    };
  };
in
types.attrsOf (
  types.submodule (
    { config, ... }:
    {
      options =
        lists config
        // {
          hideMounts = switch false "Whether file managers hide the mounts.";
          allowTrash = switch false "Whether file managers may keep a trash in the mounts.";
          mountOptions = mkOption {
            type = types.listOf types.str;
            default = [ ];
            description = "Options of each mount besides bind, such as noexec.";
          };
        }
        // lib.optionalAttrs (!home) {
          users = mkOption {
            type = types.attrsOf (types.submodule { options = lists config; });
            default = { };
            description = "What persists below the homes of users, as paths from there.";
          };
        };
    }
  )
)
