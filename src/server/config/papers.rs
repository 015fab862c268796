//! What is printed about the command line, from the same definitions that read it: completions and man pages.

use clap::CommandFactory as _;
use clap_complete::Shell;
use clap_mangen::Man;

use super::Error;
use super::args::Args;

/// The completions of all commands for a shell.
pub(super) fn completions(shell: Shell) -> String {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "purser", &mut text);
    utf8(text)
}

/// The man page of a command in roff; of the program, where none is named.
///
/// # Errors
/// Where there is no such command.
pub(super) fn man(name: Option<&str>) -> Result<String, Error> {
    let mut program = Args::command();
    program.build();
    let command = match name {
        None => program,
        Some(name) => {
            let found = program.find_subcommand(name).cloned();
            found.ok_or_else(|| {
                Error::refused(format!("purser has no command {name:?} (--help lists them)"))
            })?
        }
    };
    let mut text = Vec::new();
    Man::new(command).render(&mut text).expect("memory takes what is written");
    Ok(utf8(text))
}

fn utf8(text: Vec<u8>) -> String {
    String::from_utf8(text).expect("texts of this program are UTF-8")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of `serve`'s arguments in docs/configuration.md has a row for each, with the name of its value.
    #[test]
    fn the_table_of_arguments_is_whole() {
        let page = include_str!("../../../docs/configuration.md");
        let rows = page.lines().filter_map(|line| line.strip_prefix("| `--")?.split_once('`'));
        let mut written: Vec<&str> = rows.map(|(argument, _)| argument).collect();
        let program = Args::command();
        let serve = program.find_subcommand("serve").expect("it serves");
        let mut known: Vec<String> = serve
            .get_arguments()
            .filter_map(|argument| {
                let name = argument.get_long()?;
                let takes_value = argument.get_action().takes_values();
                Some(match argument.get_value_names().filter(|_| takes_value) {
                    Some(values) => format!("{name} {}", values.join(" ")),
                    None => name.to_owned(),
                })
            })
            .collect();
        written.sort_unstable();
        known.sort_unstable();
        assert_eq!(written, known);
    }
}
