namespace Rollout.Host.Cluster;

/// <summary>Writes a host's events as lines with their time. All methods may be called from any thread.</summary>
/// <param name="output">Standard output.</param>
internal sealed class HostLines(TextWriter output)
{
    private readonly Lock _turn = new();

    /// <summary>Writes a line for people, with the time before it.</summary>
    public void Say(string line) => Write($"{TimeProvider.System.GetLocalNow():HH:mm:ss} {line}");

    /// <summary>Writes a line for programs that wait for it.</summary>
    public void Write(string line)
    {
        lock (_turn)
        {
            output.WriteLine(line);
            output.Flush();
        }
    }
}
