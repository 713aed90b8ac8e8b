namespace Rollout.Actors.Settings;

/// <summary>
/// What a user gave cannot be used. The message is one sentence: where it stands and what was expected.
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
