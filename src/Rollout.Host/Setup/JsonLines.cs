using System.Text.Encodings.Web;
using System.Text.Json;

namespace Rollout.Host.Setup;

/// <summary>How the commands of this folder write JSON: an object a line, for scripts.</summary>
internal static class JsonLines
{
    public static JsonSerializerOptions Options { get; } = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };
}
