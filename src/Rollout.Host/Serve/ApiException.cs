namespace Rollout.Host.Serve;

/// <summary>A request that is answered with an error, in the shape of OpenAI's API. The message is for the client.</summary>
/// <param name="status">The HTTP status.</param>
/// <param name="message">One sentence.</param>
internal sealed class ApiException(int status, string message) : Exception(message)
{
    public int Status => status;

    /// <summary>The field that is wrong.</summary>
    public string? Field { get; init; }

    /// <summary>A word for programs, such as "model_not_found".</summary>
    public string? Code { get; init; }

    /// <summary>Seconds after which the request may be sent again.</summary>
    public int? RetryAfter { get; init; }

    /// <summary>The JSON of the answer.</summary>
    public object Body => BodyOf(status, Message, Field, Code);

    /// <summary>A field that can't be used.</summary>
    public static ApiException Invalid(string field, string message, string? code = null) =>
        new(400, message) { Field = field, Code = code };

    /// <summary>The JSON of an error.</summary>
    public static object BodyOf(int status, string message, string? field = null, string? code = null) => new
    {
        error = new
        {
            message,
            type = status switch
            {
                401 or 403 => "authentication_error",
                429 => "rate_limit_error",
                >= 500 => "server_error",
                _ => "invalid_request_error",
            },
            param = field,
            code,
        },
    };
}
