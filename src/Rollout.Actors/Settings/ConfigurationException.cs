namespace Rollout.Actors.Settings;

/// <summary>
/// The user's input can't be used. The message is one sentence with the place and what is expected; the program
/// prints it and exits with code 2.
/// </summary>
public sealed class ConfigurationException : Exception
{
    public ConfigurationException(string message)
        : base(message)
    {
    }

    public ConfigurationException(string message, Exception cause)
        : base(message, cause)
    {
    }

    public ConfigurationException()
    {
    }
}
